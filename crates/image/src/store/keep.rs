//! What must not go away for a moment: images held by a caller, layers that a job relies on.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::catalog::Catalog;
use crate::{Digest, ImageId};

/// The catalogue and who relies on what, under one lock that is never held across a wait.
#[derive(Clone, Default)]
pub(crate) struct Keep(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) catalog: Catalog,
    held: HashMap<ImageId, usize>,
    pinned: HashMap<Digest, usize>,
    /// Images whose removal is being decided.
    leaving: HashSet<ImageId>,
}

impl Keep {
    pub(crate) fn new(catalog: Catalog) -> Keep {
        let state = State {
            catalog,
            ..State::default()
        };
        Keep(Arc::new(Inner {
            state: Mutex::new(state),
            changed: Notify::new(),
        }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before anything can panic.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks `attempt` until it has an answer; it is asked again whenever a hold or a removal ends.
    pub(crate) async fn until<T>(&self, mut attempt: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(answer) = attempt(&mut self.lock()) {
                return answer;
            }
            changed.await;
        }
    }

    /// A layer stays, if it is there, while the pin lives.
    pub(crate) fn pin(&self, state: &mut State, layer: Digest) -> Pin {
        *state.pinned.entry(layer).or_default() += 1;
        Pin {
            keep: self.clone(),
            layer,
        }
    }

    pub(crate) fn hold(&self, state: &mut State, image: ImageId) -> ImageHold {
        *state.held.entry(image).or_default() += 1;
        ImageHold {
            keep: self.clone(),
            image,
        }
    }

    /// Nobody can take hold of the image while the removal lives. None while it is held.
    pub(crate) fn leave(&self, state: &mut State, image: ImageId) -> Option<Leaving> {
        if state.held.contains_key(&image) || !state.leaving.insert(image) {
            return None;
        }
        Some(Leaving {
            keep: self.clone(),
            image,
        })
    }
}

impl State {
    pub(crate) fn is_leaving(&self, image: ImageId) -> bool {
        self.leaving.contains(&image)
    }

    /// Held, or being removed by someone else.
    pub(crate) fn is_held(&self, image: ImageId) -> bool {
        self.held.contains_key(&image) || self.leaving.contains(&image)
    }

    pub(crate) fn is_pinned(&self, layer: Digest) -> bool {
        self.pinned.contains_key(&layer)
    }
}

pub(crate) struct Pin {
    keep: Keep,
    layer: Digest,
}

pub(crate) struct ImageHold {
    keep: Keep,
    image: ImageId,
}

pub(crate) struct Leaving {
    keep: Keep,
    image: ImageId,
}

fn count_down<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        count_down(&mut self.keep.lock().pinned, &self.layer);
    }
}

impl Drop for ImageHold {
    fn drop(&mut self) {
        count_down(&mut self.keep.lock().held, &self.image);
        self.keep.0.changed.notify_waiters();
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.keep.lock().leaving.remove(&self.image);
        self.keep.0.changed.notify_waiters();
    }
}
