//! The engine: everything that handlers share.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use gantry_image::Images;
use gantry_network::{Network, Subnet};
use gantry_runtime::cgroup::Hierarchies;
use gantry_runtime::{Host, Runtimes};

use crate::config::Config;
use crate::containers::{Containers, Shares, recover};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::exec::Execs;
use crate::images;
use crate::store::Store;
use crate::store::reserve::Reserve;
use crate::system::descriptors;
use crate::volumes::Volumes;

/// One engine on one data root. Handlers hold it in an [`Arc`].
pub struct Engine {
    /// What it was told at start.
    pub config: Config,
    /// The folders of its host, where it runs in a machine.
    pub shares: Option<Shares>,
    /// `<data-root>/gantry.db`.
    pub store: Store,
    /// All containers.
    pub containers: Containers,
    /// What happened, to whoever listens.
    pub events: Arc<Events>,
    /// All images.
    pub images: Images,
    /// All volumes.
    pub volumes: Arc<Volumes>,
    /// The default network.
    pub network: Network,
    /// OCI runtimes by name.
    pub runtimes: Runtimes,
    /// What the machine offers containers.
    pub host: Host,
    /// The machine's cgroup hierarchies.
    pub hierarchies: Hierarchies,
    /// Processes started beside containers' own.
    pub execs: Execs,
    /// Disk held back for hard times.
    pub reserve: Reserve,
}

impl Engine {
    /// Opens the data root and takes up what an earlier engine left.
    pub async fn open(config: Config) -> Result<Arc<Engine>> {
        let reserve = Reserve::of(&config.data_root);
        if let Err(error) = reserve.keep() {
            // A full disk, or a file system that can't set space aside: no reason not to work.
            tracing::warn!(%error, "no disk space is held back for when the disk is full");
        }
        let store = Store::open(&config.data_root.join("gantry.db"))?.with_reserve(reserve.clone());
        let containers = Containers::default();
        let events = Arc::new(Events::default());
        let images = images::open(&config, Arc::clone(&events)).await?;
        let volumes = {
            let (root, scratch) = (
                config.data_root.join("volumes"),
                config.exec_root.join("view"),
            );
            let (store, events) = (store.clone(), Arc::clone(&events));
            off_reactor(move || Volumes::open(&root, &scratch, store, events)).await??
        };
        let hierarchies = Hierarchies::detect()?;
        let host = Host::detect(program("gantry-shim")?, &config.exec_root, &hierarchies)
            .map_err(|error| Error::Internal(error.to_string()))?;
        descriptors::take_all();
        let runtimes = Runtimes::new(config.runtimes.clone(), Some(&config.default_runtime))?;
        let network = Network::open(gantry_network::Options {
            bridge: config.bridge.clone(),
            bip: config
                .bip
                .as_deref()
                .map(|text| {
                    text.parse::<Subnet>()
                        .map_err(|error| Error::invalid(format!("--bip: {error}")))
                })
                .transpose()?,
            exclude: Vec::new(),
            exec_root: config.exec_root.clone(),
            proxy_binary: program("gantry-proxy")?,
            host_agent: config.host_agent.clone(),
            forward_others: config.ip_forward_no_drop,
            mtu: None,
        })
        .await?;
        let shares = Shares::of(&config);
        let engine = Arc::new(Engine {
            config,
            shares,
            store,
            containers,
            events,
            images,
            volumes,
            network,
            runtimes,
            host,
            hierarchies,
            execs: Execs::default(),
            reserve,
        });
        recover::load(&engine)?;
        recover::recover(&engine).await?;
        Ok(engine)
    }

    /// What `host-gateway` stands for in a container's `/etc/hosts`.
    pub fn host_gateway(&self) -> IpAddr {
        let bridge = || self.network.host_gateway().into();
        self.config.host_gateway_ip.unwrap_or_else(bridge)
    }

    /// The id of the network of that name.
    pub fn network_id(&self, name: &str) -> String {
        crate::containers::network::id_of(name)
    }
}

/// A program that belongs to this engine: it lies beside it.
fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(Error::io("can't find gantryd's own program"))?;
    // The path of a program that was replaced while it runs ends so; its companions were replaced too.
    let own = own
        .to_string_lossy()
        .trim_end_matches(" (deleted)")
        .to_owned();
    let path = PathBuf::from(own).with_file_name(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(Error::Internal(format!(
            "{} is missing: it must lie beside gantryd",
            path.display()
        )))
    }
}

/// Runs `work`, which blocks, on a thread for such.
pub async fn off_reactor<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|failure| Error::Internal(format!("a task of the engine failed: {failure}")))
}
