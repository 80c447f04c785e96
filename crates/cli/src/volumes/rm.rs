//! `volume rm`.

use bollard::query_parameters::RemoveVolumeOptionsBuilder;
use clap::Args;

use crate::app::App;
use crate::daemon::segment;
use crate::error::Result;
use crate::flags::targets::each;

/// Remove one or more volumes
#[derive(Debug, Args)]
pub struct Rm {
    /// Force the removal of one or more volumes
    #[arg(short, long)]
    force: bool,
    /// The volumes
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

impl Rm {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let docker = app.daemon()?.docker();
        let options = RemoveVolumeOptionsBuilder::new().force(self.force).build();
        each(&self.volumes, |name| async {
            Ok(docker
                .remove_volume(&segment(name), Some(options.clone()))
                .await?)
        })
        .await
    }
}
