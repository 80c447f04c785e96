//! Images, as the engine sees them: what the API says about them and who uses them.
