//! Input files: a TOML tree that knows where each key and value was written, and a reader that reports every
//! broken rule of a file at once.
//!
//! A [`Document`] is read from a file, layered over others with [`Document::merge`] and changed by
//! [`Document::set`]. A [`Section`] reads one of its tables with typed getters. A getter that meets a missing or
//! wrong value records a [`Violation`](crate::error::Violation) and returns a harmless stand-in, so the reading goes on to the next error;
//! [`Violations::check`] refuses the whole afterwards, and nothing ever uses the stand-ins.
//!
//! ```
//! use memridge::document::{Document, Rule, Violations};
//! use memridge::units::Siemens;
//!
//! let document = Document::parse("study.toml", r#"
//! [task]
//! learning-rate = -0.1
//! epoch = 20
//! g-max = "20 us"
//! "#)?;
//!
//! let violations = Violations::new();
//! let root = document.section(&violations);
//! let task = root.section("task");
//! let rate = task.number("learning-rate", Rule::Positive);
//! let epochs: usize = task.integer("epochs", Rule::AtLeast(1.0));
//! let g_max = task.quantity::<Siemens>("g-max", Rule::Positive);
//! task.finish();
//! root.finish();
//!
//! let error = violations.into_result((rate, epochs, g_max)).unwrap_err();
//! assert_eq!(error.to_string(), "\
//! study.toml:3:17: task.learning-rate = -0.1: must be greater than 0; for example learning-rate = 0.01
//! study.toml:4:1: task.epoch = 20: unknown key; did you mean epochs?
//! study.toml:5:9: task.g-max = \"20 us\": \"us\" is a unit of time; for example g-max = \"20 uS\"");
//! # Ok::<(), memridge::error::Error>(())
//! ```
//!
//! A section that goes out of scope reports the keys that nobody asked for, and the collector cannot be checked
//! while a section is open. So a misspelt key cannot pass silently: this does not compile, for want of
//! `root.finish()`.
//!
//! ```compile_fail,E0505
//! # use memridge::document::{Document, Rule, Violations};
//! let document = Document::parse("study.toml", "seed = 7")?;
//! let violations = Violations::new();
//! let root = document.section(&violations);
//! let seed: u64 = root.integer("seed", Rule::NonNegative);
//! violations.into_result(seed)
//! # ;root.finish(); Ok::<(), memridge::error::Error>(())
//! ```

mod parse;
mod read;
mod rule;
mod section;
mod tree;
mod write;

#[cfg(test)]
mod tests;

pub use rule::{NumberOr, Rule, Violations};
pub use section::Section;
pub use tree::{Document, Entry, Node, Origin, Table, Value};
