//! One byte stream between host and guest that carries many.
