//! The ways down, each tried when the one before has not helped: the guest's agent, the power button, QEMU's own end, a
//! kill.

use std::sync::Arc;
use std::time::Duration;

use gantry_tunnel::Tunnel;
use gantry_tunnel::agent::AgentCall;

use super::session::call;
use super::shared::{Shared, Wish};
use crate::backend::Vm;

/// The guest stops its containers within this time, or is not asked any more.
const ORDERLY: Duration = Duration::from_secs(60);
const BUTTON: Duration = Duration::from_secs(10);
const QUIT: Duration = Duration::from_secs(10);
const KILL: Duration = Duration::from_secs(10);

/// Ends the virtual machine. The error is that even a kill did not help.
pub async fn stop(vm: &impl Vm, tunnel: Option<&Tunnel>, force: bool) -> Result<(), String> {
    let emulated = if vm.facts().emulated { 2 } else { 1 };
    let gone = async |limit: Duration| tokio::time::timeout(limit, vm.ended()).await.is_ok();
    if !force {
        // What stands still can't put itself away.
        if let Err(error) = vm.resume().await {
            tracing::debug!(%error, "resume before the stop");
        }
        if let Some(tunnel) = tunnel {
            tunnel.set_peer_paused(false);
            match call(tunnel, &AgentCall::PowerOff).await {
                Ok(_) if gone(ORDERLY * emulated).await => return Ok(()),
                Ok(_) => tracing::warn!("the guest did not turn itself off"),
                Err(why) => {
                    // It may have been too quick to answer.
                    if gone(Duration::from_secs(1)).await {
                        return Ok(());
                    }
                    tracing::warn!(why, "the guest can't be asked to turn itself off");
                }
            }
        }
        match vm.power_button().await {
            Ok(()) if gone(BUTTON).await => return Ok(()),
            Ok(()) => tracing::warn!("the power button did nothing"),
            Err(error) => tracing::warn!(%error, "the power button"),
        }
    }
    end(vm).await
}

/// Ends the virtual machine at once.
pub async fn end(vm: &impl Vm) -> Result<(), String> {
    let gone = async |limit: Duration| tokio::time::timeout(limit, vm.ended()).await.is_ok();
    match vm.quit().await {
        Ok(()) if gone(QUIT).await => return Ok(()),
        Ok(()) => tracing::warn!("the virtual machine did not end when told to"),
        Err(error) => tracing::warn!(%error, "the virtual machine can't be told to end"),
    }
    match vm.kill().await {
        Ok(()) if gone(KILL).await => Ok(()),
        Ok(()) => Err("the virtual machine's process can't be killed".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A signal to the host process is a wish for an orderly end.
#[cfg(unix)]
pub async fn at_signals(shared: Arc<Shared>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = shared.wishes.send(Wish::Stop { force: false }).await;
    }
}

/// A signal to the host process is a wish for an orderly end.
#[cfg(not(unix))]
pub async fn at_signals(shared: Arc<Shared>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        let _ = shared.wishes.send(Wish::Stop { force: false }).await;
    }
}
