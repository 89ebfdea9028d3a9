//! Answers for a person, before anybody decides on widths and colours.

/// What a row is, which decides how it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// What the answer is about.
    Head,
    /// A fact.
    Fact,
    /// Something that stands in the way.
    Obstacle,
    /// What can be done.
    Try,
    /// Of less interest.
    Aside,
}

/// A line: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// How far it is moved in, in levels.
    pub depth: usize,
    /// "file:line", or nothing.
    pub place: String,
    /// The text.
    pub text: String,
    /// What it is.
    pub weight: Weight,
}

impl Row {
    /// A row.
    pub(crate) fn new(
        weight: Weight,
        depth: usize,
        place: impl Into<String>,
        text: impl Into<String>,
    ) -> Row {
        Row { depth, place: place.into(), text: text.into(), weight }
    }
}
