//! A back end that can't run machines on this system: its machines are made and listed, and their start says so.

use super::{Backend, BackendError, Channel, Vm, VmFacts};
use crate::image::GuestImage;
use crate::spec::BackendKind;
use crate::store::Machine;

/// In the place of a back end that can't run here.
#[derive(Debug, Clone, Copy)]
pub struct Unavailable(pub BackendKind);

/// A virtual machine that there can't be.
#[derive(Debug, Clone, Copy)]
pub enum NoVm {}

impl Backend for Unavailable {
    type Vm = NoVm;

    async fn start(&self, _: &Machine, _: &GuestImage) -> Result<NoVm, BackendError> {
        Err(BackendError::Unfit(format!(
            "the back end {} can't run machines on this system yet",
            self.0.as_str()
        )))
    }

    async fn attach(&self, _: &Machine) -> Result<Option<NoVm>, BackendError> {
        Ok(None)
    }
}

impl Vm for NoVm {
    fn facts(&self) -> &VmFacts {
        match *self {}
    }

    fn pid(&self) -> Option<u32> {
        match *self {}
    }

    async fn channel(&self) -> Result<Channel, BackendError> {
        match *self {}
    }

    async fn ended(&self) -> String {
        match *self {}
    }

    async fn power_button(&self) -> Result<(), BackendError> {
        match *self {}
    }

    async fn quit(&self) -> Result<(), BackendError> {
        match *self {}
    }

    async fn kill(&self) -> Result<(), BackendError> {
        match *self {}
    }

    async fn pause(&self) -> Result<(), BackendError> {
        match *self {}
    }

    async fn resume(&self) -> Result<(), BackendError> {
        match *self {}
    }

    async fn balloon(&self, _: u64) -> Result<(), BackendError> {
        match *self {}
    }

    async fn memory(&self) -> Option<u64> {
        match *self {}
    }

    async fn grow(&self, _: u64) -> Result<(), BackendError> {
        match *self {}
    }
}
