//! The kernel's interfaces in plain words: links and addresses, namespaces, rules, connection tracking, settings.

pub(crate) mod conntrack;
pub(crate) mod elements;
pub(crate) mod firewalls;
pub(crate) mod forwarding;
pub(crate) mod links;
pub(crate) mod namespace;
pub(crate) mod netfilter;
pub(crate) mod rules;
mod sys;
pub(crate) mod sysctl;
pub(crate) mod tables;

pub(crate) use sys::watch;
