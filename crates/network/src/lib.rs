//! Bridge, addresses, NAT and published ports.
