//! What actions and events are to a turn.
use super::TypeId;

/// What an action is to a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TurnPart {
    /// Nothing.
    #[default]
    None,
    /// It starts one.
    Starts,
    /// It lets one go on that waits for a person.
    Answers(TurnAnswer),
    /// It stops one; a client's turn has a method of the same name.
    Stops,
}

/// How an action answers the event that a turn waits in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnAnswer {
    /// The payload of the event.
    pub event: TypeId,
    /// The methods by which a client's turn gives the answer.
    pub methods: Vec<TurnMethod>,
    /// The fields that take their value from the event.
    pub repeats: Vec<Repeat>,
}

/// A method of a client's turn. It fills one field of the action; the turn and the event that it waits in fill others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnMethod {
    /// The name, as the schema has it.
    pub name: String,
    /// The field on the wire. An optional boolean becomes true; anything else is the method's parameter.
    pub field: String,
    /// The description, as written.
    pub doc: String,
}

/// A field of an action that takes its value from the event that the action answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The field on the wire.
    pub field: String,
    /// Where the value stands in the event: the name of a property on the wire, of one in there, and so on.
    pub path: Vec<String>,
}

impl TurnPart {
    /// The names of the methods that answer for the action on a turn.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        let answer = if let Self::Answers(answer) = self { answer.methods.as_slice() } else { &[] };
        answer.iter().map(|method| method.name.as_str())
    }
}

/// What an event means to its turn when one of its values is a certain one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnException {
    /// Where the whole number stands in the event, as in [`Repeat::path`].
    pub path: Vec<String>,
    /// The value of which this holds.
    pub value: i64,
    /// What the event then means.
    pub effect: TurnEffect,
}

/// What an event means to its turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TurnEffect {
    /// The turn goes on, and is no longer parked: what holds for an event whose schema says nothing.
    #[default]
    GoesOn,
    /// The turn shows its work; a reader who is far behind can do without.
    Streams,
    /// The turn stands still until a person has answered.
    Parks,
    /// Whether the turn is parked does not change, and the event must be kept.
    Informs,
    /// Whether the turn is parked does not change, and a reader who is far behind can do without.
    Passes,
    /// Nothing of the turn comes after it.
    Ends,
}

impl TurnEffect {
    /// What holds for an event that a version does not know.
    pub const OF_UNKNOWN: Self = Self::Passes;

    /// All of them, with the word that the schema's `x-turn` has for it, and what it means.
    pub const ALL: [(Self, &str, &str); 6] = [
        (Self::GoesOn, "goes_on", "The turn goes on, and is no longer parked if it was."),
        (
            Self::Streams,
            "streams",
            "The turn goes on and shows its work, which a reader who is far behind can do without.",
        ),
        (Self::Parks, "parks", "The turn stands still until a person has answered."),
        (Self::Informs, "informs", "The turn stays as it is, parked or not."),
        (
            Self::Passes,
            "passes",
            "The turn stays as it is, and a reader who is far behind can do without the event.",
        ),
        (Self::Ends, "ends", "Nothing of the turn comes after it."),
    ];

    /// The word that the schema has for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(effect, ..)| *effect == self).map_or("", |(_, word, _)| word)
    }
}
