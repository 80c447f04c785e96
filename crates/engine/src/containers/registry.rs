//! All containers in memory: by id, by name, by what a person typed.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, watch};

use super::attach::WaitingAttach;
use super::supervise::{FIRST_PAUSE, LONGEST_PAUSE};
use super::{ContainerId, Record};
use crate::error::{Error, Result};

/// One container.
#[derive(Debug)]
pub struct Container {
    turn: Mutex<()>,
    record: watch::Sender<Record>,
    /// Clients that are attached at the next start.
    waiting: std::sync::Mutex<Vec<WaitingAttach>>,
    /// The pause before the last restart by its policy.
    backoff: std::sync::Mutex<Option<Duration>>,
}

/// Held by whoever changes a container.
#[derive(Debug)]
pub struct Turn<'a> {
    _guard: MutexGuard<'a, ()>,
}

impl Container {
    /// A container with that record.
    pub fn new(record: Record) -> Container {
        Container {
            turn: Mutex::new(()),
            record: watch::Sender::new(record),
            waiting: std::sync::Mutex::default(),
            backoff: std::sync::Mutex::default(),
        }
    }

    /// What is known of it now.
    pub fn record(&self) -> Record {
        self.record.borrow().clone()
    }

    /// Looks at the record without copying it. `look` must be quick: it holds up changes.
    pub fn with<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&self.record.borrow())
    }

    /// Waits for one's turn to change it.
    pub async fn turn(&self) -> Turn<'_> {
        Turn {
            _guard: self.turn.lock().await,
        }
    }

    /// Puts a new record in place and wakes those who watch. Only in one's turn, and after the store has it.
    pub fn set(&self, _turn: &Turn<'_>, record: Record) {
        self.record.send_replace(record);
    }

    /// A view that tells of each change.
    pub fn watch(&self) -> watch::Receiver<Record> {
        self.record.subscribe()
    }

    /// Puts a client on the list of those attached at the next start.
    pub fn add_waiting(&self, client: WaitingAttach) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|client| !client.stream.is_closed());
        waiting.push(client);
    }

    /// Takes those who still wait.
    pub fn take_waiting(&self) -> Vec<WaitingAttach> {
        let mut waiting =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.retain(|client| !client.stream.is_closed());
        waiting
    }

    /// The pause before the next restart: each twice the one before.
    pub fn backoff_next(&self) -> Duration {
        let mut backoff = self.backoff.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = backoff.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        *backoff = Some(pause);
        pause
    }

    /// Pauses begin anew.
    pub fn backoff_reset(&self) {
        *self.backoff.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Its id.
    pub fn id(&self) -> ContainerId {
        self.with(|record| record.id().clone())
    }
}

#[derive(Debug, Default)]
struct Maps {
    containers: BTreeMap<ContainerId, Arc<Container>>,
    names: HashMap<String, ContainerId>,
}

/// All containers.
#[derive(Debug, Default)]
pub struct Containers {
    maps: RwLock<Maps>,
}

impl Containers {
    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.maps.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, in order of their ids.
    pub fn all(&self) -> Vec<Arc<Container>> {
        self.read().containers.values().cloned().collect()
    }

    /// The one of that id.
    pub fn get(&self, id: &ContainerId) -> Option<Arc<Container>> {
        self.read().containers.get(id).cloned()
    }

    /// What a person means: a full id, a name (with or without `/`), or the beginning of exactly one id.
    pub fn find(&self, query: &str) -> Result<Arc<Container>> {
        let maps = self.read();
        let missing = || Error::not_found(format!("No such container: {}", query.escape_debug()));
        let name = query.strip_prefix('/').unwrap_or(query);
        if let Ok(id) = query.parse::<ContainerId>()
            && let Some(container) = maps.containers.get(&id)
        {
            return Ok(Arc::clone(container));
        }
        if let Some(container) = maps.names.get(name).and_then(|id| maps.containers.get(id)) {
            return Ok(Arc::clone(container));
        }
        if query.is_empty()
            || query.len() >= 64
            || !query
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(missing());
        }
        let first = ContainerId::lowest_with(query).ok_or_else(missing)?;
        let mut candidates = maps
            .containers
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(|(id, _)| id.as_str().starts_with(query));
        match (candidates.next(), candidates.next()) {
            (None, _) => Err(missing()),
            (Some((_, container)), None) => Ok(Arc::clone(container)),
            (Some(_), Some(_)) => Err(Error::invalid(format!(
                "multiple IDs found with provided prefix: {query}"
            ))),
        }
    }

    /// Takes `name` for `id`, if it is free. It is held until [`Containers::free_name`].
    pub fn take_name(&self, name: &str, id: &ContainerId) -> Result<()> {
        let mut maps = self.write();
        match maps.names.get(name) {
            Some(holder) if holder != id => Err(Error::conflict(format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
            ))),
            _ => {
                maps.names.insert(name.to_owned(), id.clone());
                Ok(())
            }
        }
    }

    /// Gives back a name that `id` holds.
    pub fn free_name(&self, name: &str, id: &ContainerId) {
        let mut maps = self.write();
        if maps.names.get(name) == Some(id) {
            maps.names.remove(name);
        }
    }

    /// Adds a container whose name was taken.
    pub fn insert(&self, container: Arc<Container>) {
        let id = container.id();
        self.write().containers.insert(id, container);
    }

    /// Forgets a container and its name.
    pub fn remove(&self, id: &ContainerId) {
        let mut maps = self.write();
        if let Some(container) = maps.containers.remove(id) {
            let name = container.with(|record| record.name().to_owned());
            if maps.names.get(&name) == Some(id) {
                maps.names.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::record::tests::record;

    fn with(ids: &[(&str, &str)]) -> Containers {
        let containers = Containers::default();
        for (digits, name) in ids {
            let id: ContainerId = format!("{digits:0<64}").parse().unwrap();
            containers.take_name(name, &id).unwrap();
            containers.insert(Arc::new(Container::new(record(&id, name))));
        }
        containers
    }

    #[test]
    fn a_query_is_an_id_a_name_or_a_unique_prefix() {
        let containers = with(&[("aa1", "web"), ("aa2", "db"), ("b", "aa")]);
        let name = |query: &str| {
            containers
                .find(query)
                .map(|found| found.record().name().to_owned())
        };
        assert_eq!(name("web").unwrap(), "web");
        assert_eq!(name("/db").unwrap(), "db");
        assert_eq!(name("aa1").unwrap(), "web");
        assert_eq!(name("aa").unwrap(), "aa", "a name wins over a prefix");
        assert_eq!(name("b").unwrap(), "aa");
        assert_eq!(name("a").unwrap_err().kind().status(), 400);
        for query in ["", "x", "/", "aa3", "é", &"a".repeat(64)] {
            assert_eq!(name(query).unwrap_err().kind().status(), 404, "{query}");
        }
    }

    #[test]
    fn a_name_has_one_holder_until_it_is_freed() {
        let containers = with(&[("a", "web")]);
        let other = ContainerId::random();
        assert_eq!(
            containers
                .take_name("web", &other)
                .unwrap_err()
                .kind()
                .status(),
            409
        );
        containers.free_name("web", &other);
        assert!(
            containers.take_name("web", &other).is_err(),
            "only its holder frees a name"
        );
        containers.remove(&containers.find("web").unwrap().id());
        containers.take_name("web", &other).unwrap();
    }
}
