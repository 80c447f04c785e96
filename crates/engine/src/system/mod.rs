//! Version, info, ping and disk usage.
