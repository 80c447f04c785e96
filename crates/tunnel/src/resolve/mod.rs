//! DNS for the guest: its questions are asked of the host's own resolvers.
