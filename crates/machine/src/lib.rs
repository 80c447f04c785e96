//! The Linux virtual machine that the engine runs in where the host can't run it: images, back ends, states.
