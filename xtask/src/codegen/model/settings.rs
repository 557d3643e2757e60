//! How patient clients are unless their users say otherwise.
use super::super::names::pascal;

/// The settings that every client has, from `client.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// How long a client waits for something.
    pub timeouts: Group,
    /// How often it tries the line, and how soon it connects again.
    pub pacing: Group,
}

/// Some settings that a client keeps together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// What they are for, as written.
    pub doc: String,
    /// In declared order.
    pub settings: Vec<Setting>,
}

/// A span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The name, as the schema has it (`firstPause`).
    pub name: String,
    /// The description, as written.
    pub doc: String,
    /// What holds when nothing is set, in milliseconds.
    pub default_ms: u64,
}

impl Settings {
    /// All of them in one list, with names that tell the groups apart (`ConnectTimeout`, `FirstPause`).
    pub fn flat(&self) -> Vec<(String, &Setting)> {
        let timeouts = self.timeouts.settings.iter().map(|limit| (pascal(&limit.name) + "Timeout", limit));
        let pacing = self.pacing.settings.iter().map(|setting| (pascal(&setting.name), setting));
        timeouts.chain(pacing).collect()
    }
}

impl Setting {
    /// The default for people (`10 seconds`).
    pub fn default(&self) -> String {
        match self.default_ms {
            ms if ms % 60_000 == 0 => format!("{} minutes", ms / 60_000),
            ms if ms % 1000 == 0 => format!("{} seconds", ms / 1000),
            ms => format!("{ms} milliseconds"),
        }
    }

    /// The description and the default (`For one attempt to connect. 10 seconds by default.`).
    pub fn said(&self) -> String {
        format!("{} {} by default.", self.doc, self.default())
    }
}
