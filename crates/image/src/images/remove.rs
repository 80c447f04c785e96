//! Untagging and deleting, by Docker's rules and in its words.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::{Images, Inner};
use crate::store::{Change, LayerRow, Leaving, is_id_prefix};
use crate::{
    Digest, Image, ImageAction, ImageError, ImageEvent, ImageId, InUseReason, Reference, Removed,
    Use,
};

/// What a removal comes to.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) untag: Vec<Reference>,
    pub(super) delete: bool,
}

impl Images {
    /// Untags or deletes, in Docker's way: a name is only taken away while the image has others. `used_by` is asked
    /// while no other change can happen and nobody can begin to use the image.
    pub async fn remove(
        &self,
        name: &str,
        force: bool,
        used_by: &(dyn Fn(&ImageId) -> Vec<Use> + Send + Sync),
    ) -> Result<Vec<Removed>, ImageError> {
        let (turn, image, leaving) = self.begin_leaving(|catalog| catalog.find(name)).await?;
        let references = self.inner.keep.lock().catalog.references(image.id);
        let uses = used_by(&image.id);
        let plan = plan(&image, &references, &uses, name, force)?;
        let (removed, _) = self
            .inner
            .carry_out(turn, &image, plan, !uses.is_empty(), leaving)
            .await?;
        Ok(removed)
    }

    /// Forgets images that were deleted by force while containers had them, once none has. To be called when
    /// containers were removed, and at the start.
    pub async fn forget_unused(
        &self,
        in_use: &(dyn Fn(&ImageId) -> bool + Send + Sync),
    ) -> Result<(), ImageError> {
        if self.inner.keep.lock().catalog.kept.is_empty() {
            return Ok(());
        }
        let turn = self.inner.turn().await;
        let kept: Vec<ImageId> = self
            .inner
            .keep
            .lock()
            .catalog
            .kept
            .keys()
            .copied()
            .collect();
        let delete: Vec<ImageId> = kept.into_iter().filter(|id| !in_use(id)).collect();
        if !delete.is_empty() {
            self.inner
                .apply(
                    turn,
                    Change {
                        delete,
                        ..Change::default()
                    },
                    Vec::new(),
                    (),
                )
                .await?;
        }
        Ok(())
    }

    /// Waits until nobody holds the image, then keeps anyone from holding it.
    pub(super) async fn begin_leaving(
        &self,
        find: impl Fn(&crate::store::Catalog) -> Result<Arc<Image>, ImageError>,
    ) -> Result<(OwnedMutexGuard<()>, Arc<Image>, Leaving), ImageError> {
        let keep = &self.inner.keep;
        loop {
            let turn = self.inner.turn().await;
            let image = {
                let mut state = keep.lock();
                let image = find(&state.catalog)?;
                if let Some(leaving) = keep.leave(&mut state, image.id) {
                    return Ok((turn, image, leaving));
                }
                image
            };
            drop(turn);
            keep.until(|state| (!state.is_held(image.id)).then_some(()))
                .await;
        }
    }
}

impl Inner {
    /// Returns Docker's lines and the bytes won.
    pub(super) async fn carry_out(
        self: &Arc<Self>,
        turn: OwnedMutexGuard<()>,
        image: &Image,
        plan: Plan,
        layers_stay: bool,
        leaving: Leaving,
    ) -> Result<(Vec<Removed>, u64), ImageError> {
        let mut change = Change {
            drop_names: plan.untag.clone(),
            ..Change::default()
        };
        let mut removed: Vec<Removed> = plan
            .untag
            .iter()
            .map(|name| Removed::Untagged(name.familiar()))
            .collect();
        let event = |action| Inner::event(action, image, image.id.to_string());
        let mut events: Vec<ImageEvent> = plan
            .untag
            .iter()
            .map(|_| event(ImageAction::Untag))
            .collect();
        if plan.delete {
            if layers_stay {
                change.keep.push(image.id);
            } else {
                change.delete.push(image.id);
            }
            removed.push(Removed::Deleted(image.id.to_string()));
            events.push(event(ImageAction::Delete));
        }
        let gone = self.apply(turn, change, events, leaving).await?;
        removed.extend(
            chain_ids_of(image, &gone)
                .into_iter()
                .map(|id| Removed::Deleted(id.to_string())),
        );
        Ok((removed, size_of(&gone)))
    }
}

fn plan(
    image: &Image,
    references: &[Reference],
    uses: &[Use],
    name: &str,
    force: bool,
) -> Result<Plan, ImageError> {
    let mut plan = Plan::default();
    let mut named = false;
    if is_id_prefix(image.id, name) {
        if is_single(references) {
            // All names are in one repository and go with the image, so they are no conflict.
            check(image, &[], uses, force)?;
            plan.untag = references.to_vec();
        }
    } else {
        if !force
            && is_single(references)
            && let Some(container) = uses.first()
        {
            return Err(ImageError::ReferenceInUse {
                reference: name.to_owned(),
                container: short(&container.container_id),
                image: image.id.short(),
            });
        }
        plan.untag = names_to_drop(references, &Reference::parse(name)?);
        if plan.untag.len() < references.len() {
            return Ok(plan);
        }
        named = true;
    }
    let left: &[Reference] = if plan.untag.is_empty() {
        references
    } else {
        &[]
    };
    match check(image, left, uses, force) {
        Ok(()) => {
            plan.delete = true;
            plan.untag.extend_from_slice(left);
            Ok(plan)
        }
        // The name was taken away; that the image stays for its containers is no news.
        Err(_) if named => Ok(plan),
        Err(error) => Err(error),
    }
}

/// The name, and with a repository's last tag its digests.
fn names_to_drop(references: &[Reference], name: &Reference) -> Vec<Reference> {
    let name = match name.digest() {
        Some(digest) => name.with_digest(digest),
        None => name.clone(),
    };
    let mut drop = vec![name.clone()];
    let in_repository = |other: &&Reference| other.same_repository(&name) && **other != name;
    let others: Vec<&Reference> = references.iter().filter(in_repository).collect();
    if name.digest().is_none() && others.iter().all(|other| other.digest().is_some()) {
        drop.extend(others.into_iter().cloned());
    }
    drop
}

/// At most one tag, and all digests of its repository.
fn is_single(references: &[Reference]) -> bool {
    let mut tags = references.iter().filter(|name| name.digest().is_none());
    let first = tags.next().or(references.first());
    tags.next().is_none()
        && first.is_some_and(|first| references.iter().all(|name| name.same_repository(first)))
}

/// Docker's order of conflicts: what force can't help comes first.
fn check(
    image: &Image,
    references: &[Reference],
    uses: &[Use],
    force: bool,
) -> Result<(), ImageError> {
    let conflict = |hard, reason| Err(ImageError::in_use(&image.id, hard, reason));
    if let Some(container) = uses.iter().find(|container| container.running) {
        return conflict(true, InUseReason::Running(short(&container.container_id)));
    }
    if force {
        return Ok(());
    }
    if !references.is_empty() {
        return conflict(false, InUseReason::Referenced);
    }
    match uses.first() {
        Some(container) => conflict(false, InUseReason::Stopped(short(&container.container_id))),
        None => Ok(()),
    }
}

/// Bytes of layers; a hostile one may say that it has 2^63.
pub(super) fn size_of<'a>(layers: impl IntoIterator<Item = &'a LayerRow>) -> u64 {
    let sizes = layers.into_iter().map(|row| row.size);
    sizes.fold(0, u64::saturating_add)
}

fn short(container: &str) -> String {
    container.chars().take(12).collect()
}

/// Docker names layers by chain: the digest of all that is below and the layer. Topmost first.
fn chain_ids_of(image: &Image, gone: &[LayerRow]) -> Vec<Digest> {
    let mut chain: Option<Digest> = None;
    let mut ids = Vec::new();
    for layer in &image.layers {
        let id = match chain {
            None => layer.diff_id,
            Some(below) => Digest::of(format!("{below} {}", layer.diff_id).as_bytes()),
        };
        chain = Some(id);
        if gone.iter().any(|row| row.diff_id == layer.diff_id) {
            ids.push(id);
        }
    }
    ids.reverse();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(names: &[&str]) -> Vec<Reference> {
        names
            .iter()
            .map(|name| Reference::parse(name).expect("reference"))
            .collect()
    }

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn one_repository_with_one_tag_is_single() {
        let (a, b) = (format!("a@{D}"), format!("b@{D}"));
        for (names, single) in [
            (&[][..], false),
            (&["a"], true),
            (&["a", &a], true),
            (&[a.as_str()], true),
            (&["a:1", "a:2"], false),
            (&["a", &b], false),
            (&["a", &a, &b], false),
        ] {
            assert_eq!(is_single(&refs(names)), single, "{names:?}");
        }
    }

    #[test]
    fn the_last_tag_takes_the_digests_along() {
        let digest = format!("a@{D}");
        let all = refs(&["a:1", &digest, "b:1"]);
        assert_eq!(names_to_drop(&all, &all[0]), refs(&["a:1", &digest]));
        assert_eq!(
            names_to_drop(&refs(&["a:1", "a:2", &digest]), &all[0]),
            refs(&["a:1"])
        );
        assert_eq!(names_to_drop(&all, &all[1]), refs(&[&digest]));
    }
}
