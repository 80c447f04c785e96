//! What happened to an image, for whoever listens.

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageAction {
    /// Pulled from a registry.
    Pull,
    /// A name was given.
    Tag,
    /// A name was taken away.
    Untag,
    /// The image itself was deleted.
    Delete,
    /// Came from an archive.
    Load,
    /// Went into an archive.
    Save,
    /// Made from a file system tar.
    Import,
}

impl ImageAction {
    /// Docker's word for it in `/events`.
    pub const fn as_str(self) -> &'static str {
        match self {
            ImageAction::Pull => "pull",
            ImageAction::Tag => "tag",
            ImageAction::Untag => "untag",
            ImageAction::Delete => "delete",
            ImageAction::Load => "load",
            ImageAction::Save => "save",
            ImageAction::Import => "import",
        }
    }
}

/// One event. `actor` and `name` are what Docker puts into `Actor.ID` and `Actor.Attributes["name"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageEvent {
    /// What was done.
    pub action: ImageAction,
    /// The image's id, for a pull the familiar reference.
    pub actor: String,
    /// The reference, or the id where there is none.
    pub name: String,
    /// The image's labels.
    pub labels: std::collections::BTreeMap<String, String>,
}
