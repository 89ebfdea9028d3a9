//! The ladder: the rungs in the order in which they are climbed.

use base::{Error, Result, Snippet};
use serde::Deserialize;
use toml::Spanned;

use crate::data::{LADDER_FOLDER, RUNG_FOLDER};
use crate::rung::{Requests, Rung, Series};
use crate::spec::{Place, SpecFile, with_nearest};

/// `ladder/order.toml`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// The rungs' names, the lowest first.
    rungs: Vec<Spanned<String>>,
}

/// One rung in its place on the ladder.
#[derive(Clone, Debug)]
pub struct Step {
    /// The rung.
    pub rung: Rung,
    /// The rungs up to this one, for [`Requests::resolve`].
    pub names: Vec<(String, Option<Snippet>)>,
}

/// The ladder.
#[derive(Clone, Debug)]
pub struct Ladder {
    /// From the lowest up.
    pub steps: Vec<Step>,
}

/// What one rung adds to the kernel below it.
#[derive(Clone, Debug)]
pub struct Added {
    /// All that is asked for up to the rung.
    pub requests: Requests,
    /// The positions in `requests` that the rung brings, with the rungs it stands on.
    pub new: Vec<usize>,
}

impl Ladder {
    /// Reads `ladder/order.toml` and the rungs it names.
    ///
    /// # Errors
    /// A rung that does not exist, stands twice on the ladder, or has no proof.
    pub fn read() -> Result<Ladder> {
        let place = LADDER_FOLDER.place("order")?;
        let order: Order = place.parse()?;
        let (mut steps, mut names) = (Vec::new(), Vec::new());
        for name in &order.rungs {
            let snippet = place.snippet(name.span());
            let loaded = RUNG_FOLDER.load(name.get_ref());
            let (rung, _): (Rung, Place) = loaded.map_err(|error| match error.snippet() {
                None => error.at(snippet.clone()),
                Some(_) => error,
            })?;
            let wrong =
                |what: &str| Error::input(format!("the rung \"{}\" {what}", rung.name)).at(snippet.clone());
            if names.iter().any(|(known, _)| *known == rung.name) {
                return Err(wrong("stands twice on the ladder"));
            }
            if rung.proof.is_empty() {
                return Err(wrong("has no [[proof]]: what must be seen with it?"));
            }
            names.push((rung.name.clone(), Some(snippet)));
            steps.push(Step { rung, names: names.clone() });
        }
        Ok(Ladder { steps })
    }

    /// The position of the rung called `name`.
    ///
    /// # Errors
    /// It is not on the ladder; the nearest name is the hint.
    pub fn position(&self, name: &str) -> Result<usize> {
        let names: Vec<String> = self.steps.iter().map(|step| step.rung.name.clone()).collect();
        names.iter().position(|known| known == name).ok_or_else(|| {
            let error = Error::input(format!("there is no rung \"{name}\" on the ladder"));
            with_nearest(error, name, &names, "from the lowest up")
        })
    }

    /// What the rung at `position` adds, for a kernel of `series` that the spec may ask further options of.
    ///
    /// # Errors
    /// As [`Requests::resolve`].
    pub fn added(&self, position: usize, series: Series, spec: &SpecFile) -> Result<Added> {
        let requests = Requests::resolve(&self.steps[position].names, series, spec)?;
        let below = match position.checked_sub(1) {
            Some(below) => Requests::resolve(&self.steps[below].names, series, spec)?,
            None => Requests::resolve(&[], series, spec)?,
        };
        let known = |name: &str| below.iter().any(|request| request.assignment.name == name);
        let new = requests.iter().enumerate().filter(|(_, request)| !known(&request.assignment.name));
        let new = new.map(|(index, _)| index).collect();
        Ok(Added { requests, new })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_begins_at_nothing_and_every_step_rests_on_those_below() {
        let ladder = Ladder::read().unwrap();
        assert_eq!(ladder.steps[0].rung.name, "allnoconfig");
        for (index, step) in ladder.steps.iter().enumerate() {
            for proof in &step.rung.proof {
                assert_eq!(proof.below.is_none(), index == 0, "{}: {}", step.rung.name, proof.about);
                assert!(proof.expect.is_empty() == proof.processor_in.is_some(), "{}", step.rung.name);
            }
        }
    }

    #[test]
    fn an_unknown_rung_names_the_nearest() {
        let error = Ladder::read().unwrap().position("consol").unwrap_err();
        assert_eq!(error.hints(), ["did you mean \"console\"?"]);
    }
}
