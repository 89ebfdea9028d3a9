//! Rungs of the ladder: named capabilities of the kernel, the options each needs, and why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base::{Error, Result, Snippet};
use kconfig::{Assignment, Value};
use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use crate::data::RUNG_FOLDER;
use crate::proof::Proof;
use crate::spec::{Place, SpecFile};

/// `rungs/NAME.toml`, with what stands for its proofs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung<P = Proof> {
    /// Its name, as the file's.
    pub name: String,
    /// The capability, in one sentence.
    pub about: String,
    /// The rungs below, which it cannot do without.
    #[serde(default)]
    pub stands_on: Vec<String>,
    /// The options it needs.
    #[serde(default)]
    pub option: Vec<RungOption>,
    /// The words it needs on the kernel's command line.
    #[serde(default)]
    pub append: Vec<AppendWord>,
    /// What proves it, where it stands on the ladder.
    #[serde(default = "Vec::new")]
    pub proof: Vec<P>,
}

/// A word of the kernel's command line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppendWord {
    /// "console=ttyS0"
    pub word: String,
    /// What happens without it.
    pub why: String,
}

/// One option of a rung.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RungOption {
    /// `NAME=value`.
    pub set: Spanned<String>,
    /// What fails without it.
    pub why: String,
    /// The first kernel series that has it, where that matters.
    #[serde(default)]
    pub since: Option<Series>,
    /// The last kernel series that has it.
    #[serde(default)]
    pub until: Option<Series>,
    /// Why no boot here can show that it is needed, where that is so.
    #[serde(default)]
    pub unproved: Option<String>,
}

/// A kernel series, "6.12".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Series(pub u32, pub u32);

impl TryFrom<String> for Series {
    type Error = String;

    fn try_from(text: String) -> Result<Series, String> {
        Series::parse(&text)
            .ok_or_else(|| format!("expected a kernel series such as \"6.12\", found \"{text}\""))
    }
}

impl Series {
    /// The series of a version text: "6.12", "6.12.117" and "6.12.0-rc1" are all 6.12.
    pub fn parse(text: &str) -> Option<Series> {
        let mut parts = text.split(['.', '-']);
        Some(Series(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// The reason of an option that the spec itself asks for.
pub const OWN: &str = "your own";

/// An option somebody asked for, and where.
#[derive(Clone, Debug)]
pub struct Request {
    /// The option and the value.
    pub assignment: Assignment,
    /// "rungs/ssh.toml:14"
    pub origin: String,
    /// The line itself, for messages.
    pub snippet: Snippet,
    /// Why.
    pub why: String,
    /// Why no boot here can show that it is needed, where that is so.
    pub unproved: Option<String>,
}

impl Request {
    /// "PRINTK=y"
    pub fn option(&self) -> String {
        self.assignment.to_string().trim_start_matches("CONFIG_").to_string()
    }
}

/// All that was asked for of one kernel: one request per option, the spec's own last and winning.
#[derive(Clone, Debug)]
pub struct Requests(Vec<Request>);

impl Requests {
    /// The requests in the words of `explain`.
    pub fn in_words(&self) -> Vec<explain::Request> {
        let words = self.iter().map(|request| explain::Request {
            name: request.assignment.name.clone(),
            value: request.assignment.value.to_string(),
            place: request.origin.clone(),
            // That it is one's own says the place.
            reason: (request.why != OWN).then(|| request.why.clone()),
        });
        words.collect()
    }

    /// Resolves rung names, with what they stand on, for a kernel of `series`, then the spec's own options.
    ///
    /// # Errors
    /// An unknown rung, a wrong option, two rungs that contradict each other, `=m`: pointing at the line.
    pub fn resolve(names: &[(String, Option<Snippet>)], series: Series, spec: &SpecFile) -> Result<Requests> {
        let mut requests = Requests(Vec::new());
        let mut seen = Vec::new();
        for (name, asked_at) in names {
            requests.climb(name, asked_at.as_ref(), series, &mut seen, &mut Vec::new())?;
        }
        for option in &spec.spec.kernel.config {
            let why = OWN.to_string();
            let request = request(option, &spec.place, why)?;
            requests.0.retain(|known| known.assignment.name != request.assignment.name);
            requests.0.push(request);
        }
        Ok(requests)
    }

    /// Adds a request that no rung and no spec wrote, in the place of one for the same option; `origin` is who asks.
    pub fn set(&mut self, assignment: Assignment, origin: &str, why: &str) {
        self.0.retain(|known| known.assignment.name != assignment.name);
        let text = assignment.to_string();
        let snippet = Snippet::of(origin, &text, 0..text.len());
        self.0.push(Request { assignment, origin: origin.into(), snippet, why: why.into(), unproved: None });
    }

    fn climb(
        &mut self,
        name: &str,
        asked_at: Option<&Snippet>,
        series: Series,
        seen: &mut Vec<String>,
        under_way: &mut Vec<String>,
    ) -> Result<()> {
        if seen.iter().any(|known| known == name) {
            return Ok(());
        }
        if under_way.iter().any(|known| known == name) {
            return Err(Error::input(format!(
                "the rung \"{name}\" stands on itself: {}",
                under_way.join(" on ")
            )));
        }
        let known = known(name).map_err(|error| match asked_at {
            Some(snippet) if error.snippet().is_none() => error.at(snippet.clone()),
            _ => error,
        })?;
        let (rung, place) = &*known;
        under_way.push(name.to_string());
        for below in &rung.stands_on {
            self.climb(below, None, series, seen, under_way)?;
        }
        under_way.pop();
        for option in &rung.option {
            let too_new = option.since.is_some_and(|since| series < since);
            let too_old = option.until.is_some_and(|until| series > until);
            if !too_new && !too_old {
                let request = request(&option.set, place, option.why.clone())?;
                self.add(Request { unproved: option.unproved.clone(), ..request })?;
            }
        }
        seen.push(name.to_string());
        Ok(())
    }

    fn add(&mut self, request: Request) -> Result<()> {
        let known = self.0.iter().find(|known| known.assignment.name == request.assignment.name);
        match known {
            Some(known) if known.assignment != request.assignment => Err(Error::input(format!(
                "{} asks for {} and {} for {}",
                known.origin, known.assignment, request.origin, request.assignment
            ))
            .at(request.snippet)),
            Some(_) => Ok(()),
            None => {
                self.0.push(request);
                Ok(())
            }
        }
    }

    /// The same with `name` asked to be off.
    pub fn without(&self, name: &str) -> Requests {
        let mut requests = self.clone();
        for request in requests.0.iter_mut().filter(|request| request.assignment.name == name) {
            request.assignment.value = Value::No;
        }
        requests
    }

    /// The same requests and these, which win.
    pub fn with(&self, changes: &[Assignment]) -> Requests {
        let mut requests = self.clone();
        for assignment in changes {
            requests.set(assignment.clone(), "the change", OWN);
        }
        requests
    }

    /// The requests, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Request> {
        self.0.iter()
    }

    /// How many options are asked for.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text for KCONFIG_ALLCONFIG (kernel: Documentation/kbuild/kconfig.rst), sorted by name, so that the
    /// order of the rungs does not change a build's key.
    pub fn fragment(&self) -> String {
        let lines: BTreeMap<&str, String> =
            self.0.iter().map(|it| (it.assignment.name.as_str(), format!("{}\n", it.assignment))).collect();
        lines.into_values().collect()
    }
}

/// The command-line words of these rungs and all they stand on, each once, lowest rung first.
///
/// # Errors
/// An unknown rung.
pub fn append_words(names: &[(String, Option<Snippet>)]) -> Result<Vec<String>> {
    let (mut words, mut seen) = (Vec::new(), Vec::new());
    for (name, _) in names {
        collect_words(name, &mut seen, &mut words)?;
    }
    Ok(words)
}

fn collect_words(name: &str, seen: &mut Vec<String>, words: &mut Vec<String>) -> Result<()> {
    if seen.iter().any(|known| known == name) {
        return Ok(());
    }
    seen.push(name.to_string());
    let (rung, _) = &*known(name)?;
    for below in &rung.stands_on {
        collect_words(below, seen, words)?;
    }
    for append in &rung.append {
        if !words.contains(&append.word) {
            words.push(append.word.clone());
        }
    }
    Ok(())
}

/// A rung as every build reads it: its proofs are for those who boot them, and reading one compiles its regular expressions.
type Known = (Rung<IgnoredAny>, Place);

/// The rung `name`, read once: its text is part of this program. An edit's boot asks three times for each, in its few milliseconds
/// beside QEMU's.
fn known(name: &str) -> Result<Arc<Known>> {
    static READ: Mutex<BTreeMap<String, Arc<Known>>> = Mutex::new(BTreeMap::new());
    let read = || READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = read().get(name) {
        return Ok(Arc::clone(known));
    }
    let known = Arc::new(RUNG_FOLDER.load(name)?);
    read().insert(name.to_string(), Arc::clone(&known));
    Ok(known)
}

fn request(option: &Spanned<String>, place: &Place, why: String) -> Result<Request> {
    let snippet = place.snippet(option.span());
    let assignment: Assignment =
        option.get_ref().parse().map_err(|error| Error::input(format!("{error}")).at(snippet.clone()))?;
    if assignment.value == Value::Module {
        return Err(Error::input(format!("{} asks for a loadable module", option.get_ref()))
            .at(snippet)
            .note("the node's kernel has no module loader: its initramfs carries no modules, and one file boots everywhere")
            .hint(format!("build it in: \"{}=y\"", assignment.name)));
    }
    Ok(Request { assignment, origin: place.line(option.span()), snippet, why, unproved: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn spec(text: &str) -> SpecFile {
        let place = Place { path: "allno.toml".into(), text: text.into() };
        SpecFile { spec: place.parse().unwrap(), folder: PathBuf::from("."), place }
    }

    fn every_rung() -> Vec<(String, Option<Snippet>)> {
        RUNG_FOLDER.names().into_iter().map(|name| (name, None)).collect()
    }

    #[test]
    fn every_rung_loads_and_no_two_contradict() {
        for series in [Series(6, 1), Series(6, 12)] {
            assert!(!Requests::resolve(&every_rung(), series, &spec("")).unwrap().is_empty());
        }
    }

    #[test]
    fn each_option_is_written_in_one_rung_only() {
        let mut first = BTreeMap::new();
        for name in RUNG_FOLDER.names() {
            let (rung, _): (Rung, Place) = RUNG_FOLDER.load(&name).unwrap();
            assert_eq!(rung.name, name);
            assert!(!rung.about.is_empty(), "{name}");
            for option in rung.option {
                assert!(option.why.len() > 10, "{name}: {} has no reason", option.set.get_ref());
                let assignment: Assignment = option.set.get_ref().parse().unwrap();
                let elsewhere = first.insert(assignment.name, name.clone());
                assert!(elsewhere.is_none(), "{} stands in {} too", option.set.get_ref(), elsewhere.unwrap());
            }
        }
    }

    #[test]
    fn ones_own_option_wins_and_keeps_its_place() {
        let spec = spec("[kernel]\nconfig = [\"PRINTK=n\", \"IKCONFIG=y\"]\n");
        let requests = Requests::resolve(&every_rung(), Series(6, 12), &spec).unwrap();
        let printk: Vec<_> = requests.iter().filter(|it| it.assignment.name == "PRINTK").collect();
        assert_eq!(printk.len(), 1);
        assert_eq!(printk[0].origin, "allno.toml:2");
        assert!(requests.fragment().contains("# CONFIG_PRINTK is not set\n"));
    }

    #[test]
    fn a_module_is_refused_with_what_to_write_instead() {
        let spec = spec("[kernel]\nconfig = [\"E1000=m\"]\n");
        let error = Requests::resolve(&[], Series(6, 12), &spec).unwrap_err();
        assert!(error.hints()[0].contains("E1000=y"), "{error}");
        assert_eq!(error.snippet().unwrap().line, 2);
    }

    #[test]
    fn series_compare_as_numbers() {
        assert!(Series::parse("6.12.117").unwrap() > Series::parse("6.2").unwrap());
        assert_eq!(Series::parse("six"), None);
    }
}
