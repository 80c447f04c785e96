//! Kernel calls that the standard library and `rustix` do not offer.
