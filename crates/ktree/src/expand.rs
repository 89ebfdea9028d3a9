//! What a Makefile's text expands to, for all configurations at once.
//!
//! A text expands to alternatives, each with its condition, or to words, each with its condition. Functions that are not known, and
//! variables that are set elsewhere, make it [`Stop`].

use std::cell::{Cell, RefCell};

use crate::condition::Condition;
use crate::files::Files;
use crate::reference::{Piece, arguments, pieces, tokens};
use crate::variables::{Content, Place, Unknown, Variables, Word};

/// More alternatives than this are not told apart.
const MOST_ALTERNATIVES: usize = 64;
/// Conditions of a list that are told apart where it is one text.
const MOST_CONDITIONS: usize = 5;
/// A variable within a variable within …
const DEEPEST: usize = 40;

/// One of the texts that something may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The text.
    pub text: String,
    /// When it is this text.
    pub condition: Condition,
}

/// Why a text cannot be told: what it holds that is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop(pub String);

/// What an expansion sees.
pub struct Scope<'a> {
    /// The tree, for `$(wildcard …)`.
    pub files: &'a dyn Files,
    /// The variables so far.
    pub variables: &'a Variables,
    /// Where what is not followed is noted.
    pub unknown: &'a RefCell<Vec<Unknown>>,
    /// The line at hand.
    pub place: Place,
    /// The variables of `$(foreach …)` around.
    pub locals: Vec<(String, String)>,
    /// How deep in variables this is.
    pub depth: Cell<usize>,
}

impl Scope<'_> {
    /// Notes what is not followed; a condition that hangs on it.
    pub fn unknown(&self, stop: &Stop) -> Condition {
        let mut all = self.unknown.borrow_mut();
        let new = Unknown { place: self.place.clone(), what: stop.0.clone() };
        let index = all.iter().position(|it| *it == new).unwrap_or_else(|| {
            all.push(new);
            all.len() - 1
        });
        Condition::Unknown(index)
    }

    /// The words a text expands to. A part that is not followed stands as it is written, under an unknown condition.
    pub fn words(&self, text: &str) -> Vec<Word> {
        let mut found = Vec::new();
        for token in tokens(text) {
            match self.words_of_token(token) {
                Ok(words) => found.extend(words),
                Err(stop) => found.push(self.word(token, self.unknown(&stop))),
            }
        }
        found
    }

    fn word(&self, text: &str, condition: Condition) -> Word {
        Word { text: text.to_string(), condition, place: self.place.clone() }
    }

    fn words_of_token(&self, token: &str) -> Result<Vec<Word>, Stop> {
        match pieces(token).as_slice() {
            [Piece::Literal(text)] => Ok(vec![self.word(text, Condition::Always)]),
            [Piece::Reference(inner)] => self.words_of_reference(inner),
            _ => Ok(self.split(self.alternatives(token)?)),
        }
    }

    fn split(&self, alternatives: Vec<Alternative>) -> Vec<Word> {
        let words = alternatives.into_iter().flat_map(|it| {
            let condition = it.condition;
            it.text.split_whitespace().map(|text| self.word(text, condition.clone())).collect::<Vec<_>>()
        });
        words.collect()
    }

    fn words_of_reference(&self, inner: &str) -> Result<Vec<Word>, Stop> {
        if let Some((function, rest)) = inner.split_once(char::is_whitespace) {
            return self.words_of_function(function, rest.trim_start());
        }
        if let Some((name, pattern)) = inner.split_once(':')
            && let Some((from, to)) = pattern.split_once('=')
        {
            let from = if from.contains('%') { from.to_string() } else { format!("%{from}") };
            let to = if to.contains('%') { to.to_string() } else { format!("%{to}") };
            let words = self.words_of_reference(name)?;
            return Ok(each(words, |text| replace(text, &from, &to)));
        }
        let mut found = Vec::new();
        for name in self.alternatives(inner)? {
            for mut word in self.words_of_variable(&name.text)? {
                word.condition = word.condition.and(&name.condition);
                if word.condition != Condition::Never {
                    found.push(word);
                }
            }
        }
        Ok(found)
    }

    fn words_of_variable(&self, name: &str) -> Result<Vec<Word>, Stop> {
        if let Some((_, text)) = self.locals.iter().rev().find(|(local, _)| local == name) {
            return Ok(text.split_whitespace().map(|text| self.word(text, Condition::Always)).collect());
        }
        if let Some(symbol) = name.strip_prefix("CONFIG_") {
            let is = |value: &str| Condition::is(symbol, value);
            let no_logical = is("y").negated().and(&is("m").negated()).and(&is("").negated());
            let text = no_logical.and(&self.unknown(&Stop(format!("$({name}) as a text"))));
            return Ok(vec![
                self.word("y", is("y")),
                self.word("m", is("m")),
                self.word(&format!("$({name})"), text),
            ]);
        }
        let Some(variable) = self.variables.get(name) else {
            // What the files of a folder set for themselves has small letters; what comes from elsewhere, large ones.
            return match name.contains(|letter: char| letter.is_ascii_lowercase()) {
                true => Ok(Vec::new()),
                false => Err(Stop(format!("$({name}), which is set elsewhere"))),
            };
        };
        if self.depth.get() >= DEEPEST {
            return Err(Stop(format!("$({name}), which goes too deep")));
        }
        self.depth.set(self.depth.get() + 1);
        let mut found = Vec::new();
        for chunk in &variable.chunks {
            let words = match &chunk.content {
                Content::Words(words) => words.clone(),
                Content::Raw(text, place) => self.at(place.clone()).words(text),
            };
            for mut word in words {
                word.condition = word.condition.and(&chunk.condition);
                if word.condition != Condition::Never {
                    found.push(word);
                }
            }
        }
        self.depth.set(self.depth.get() - 1);
        Ok(found)
    }

    /// The same at another line.
    fn at(&self, place: Place) -> Scope<'_> {
        Scope { place, locals: self.locals.clone(), depth: self.depth.clone(), ..*self }
    }

    fn words_of_function(&self, function: &str, rest: &str) -> Result<Vec<Word>, Stop> {
        let arguments = arguments(rest);
        let list = |at: usize| -> Vec<Word> { arguments.get(at).map_or(Vec::new(), |it| self.words(it)) };
        let last = |from: usize| list_text(&arguments, from);
        match function {
            "strip" => Ok(self.words(rest)),
            "sort" => Ok(sorted(self.words(rest))),
            "addprefix" => self.joined_each(arguments[0], &last(1), |prefix, text| format!("{prefix}{text}")),
            "addsuffix" => self.joined_each(arguments[0], &last(1), |suffix, text| format!("{text}{suffix}")),
            "notdir" => Ok(each(self.words(rest), |text| text.rsplit('/').next().unwrap_or_default().into())),
            "dir" => Ok(each(self.words(rest), |text| match text.rfind('/') {
                Some(at) => text[..=at].to_string(),
                None => "./".to_string(),
            })),
            "basename" => Ok(each(self.words(rest), |text| {
                let start = text.rfind('/').map_or(0, |at| at + 1);
                text[start..].rfind('.').map_or(text, |at| &text[..start + at]).to_string()
            })),
            "patsubst" if arguments.len() >= 3 => {
                let (from, to) = (self.one(arguments[0])?, self.one(arguments[1])?);
                Ok(each(self.words(&last(2)), |text| replace(text, from.trim(), to.trim())))
            }
            "filter" | "filter-out" => {
                let patterns = self.words(arguments[0]);
                Ok(filtered(self.words(&last(1)), &patterns, function == "filter"))
            }
            "if" => {
                let condition = self.is_filled(arguments[0]);
                let mut found = under(list(1), &condition);
                found.extend(under(self.words(&last(2)), &condition.negated()));
                Ok(found)
            }
            "or" => {
                let mut open = Condition::Always;
                let mut found = Vec::new();
                for argument in &arguments {
                    found.extend(under(self.words(argument), &open));
                    open = open.and(&self.is_filled(argument).negated());
                }
                Ok(found)
            }
            "and" => {
                let mut condition = Condition::Always;
                for argument in &arguments[..arguments.len() - 1] {
                    condition = condition.and(&self.is_filled(argument));
                }
                Ok(under(list(arguments.len() - 1), &condition))
            }
            "foreach" if arguments.len() >= 3 => self.each_word(&arguments, &last(2)),
            "wildcard" => self.existing(rest),
            "subst" | "findstring" => Ok(self.split(self.of_function(function, rest)?)),
            _ => Err(Stop(format!("$({function} …)"))),
        }
    }

    /// Every word of a list with every form of an affix.
    fn joined_each(
        &self,
        affix: &str,
        list: &str,
        join: impl Fn(&str, &str) -> String,
    ) -> Result<Vec<Word>, Stop> {
        let words = self.words(list);
        let mut found = Vec::new();
        for form in self.alternatives(affix)? {
            found.extend(under(each(words.clone(), |text| join(&form.text, text)), &form.condition));
        }
        Ok(found)
    }

    fn each_word(&self, arguments: &[&str], body: &str) -> Result<Vec<Word>, Stop> {
        let name = self.one(arguments[0])?.trim().to_string();
        let mut found = Vec::new();
        for word in self.words(arguments[1]) {
            let mut inner = self.at(self.place.clone());
            inner.locals.push((name.clone(), word.text));
            found.extend(under(inner.words(body), &word.condition));
        }
        Ok(found)
    }

    fn existing(&self, text: &str) -> Result<Vec<Word>, Stop> {
        let words = self.words(text);
        match words.iter().any(|word| word.text.contains(['*', '?', '[', '$'])) {
            true => Err(Stop("$(wildcard …) with a pattern".to_string())),
            false => Ok(words.into_iter().filter(|word| self.files.exists(&word.text)).collect()),
        }
    }

    /// When a text expands to more than white space.
    pub fn is_filled(&self, text: &str) -> Condition {
        self.words(text).iter().fold(Condition::Never, |all, word| all.or(&word.condition))
    }

    /// The one text something expands to.
    fn one(&self, text: &str) -> Result<String, Stop> {
        let mut all = self.alternatives(text)?;
        match all.len() {
            1 if all[0].condition == Condition::Always => Ok(all.remove(0).text),
            _ => Err(Stop(format!("{text}, which hangs on options here"))),
        }
    }

    /// When two texts are equal (`ifeq`).
    pub fn equal(&self, left: &str, right: &str) -> Condition {
        for (one, other) in [(left, right), (right, left)] {
            if other.is_empty() {
                return self.is_filled(one).negated();
            }
            if let [Piece::Reference(name)] = pieces(one.trim()).as_slice()
                && let Some(symbol) = name.strip_prefix("CONFIG_")
                && !symbol.contains(['$', ':', ' '])
                && let Ok(value) = self.one(other)
            {
                return Condition::is(symbol, &value);
            }
        }
        match (self.alternatives(left), self.alternatives(right)) {
            (Ok(left), Ok(right)) => {
                let mut equal = Condition::Never;
                for one in &left {
                    for other in right.iter().filter(|other| other.text == one.text) {
                        equal = equal.or(&one.condition.and(&other.condition));
                    }
                }
                equal
            }
            (Err(stop), _) | (_, Err(stop)) => self.unknown(&stop),
        }
    }

    /// All texts something may expand to.
    pub fn alternatives(&self, text: &str) -> Result<Vec<Alternative>, Stop> {
        let mut all = vec![Alternative { text: String::new(), condition: Condition::Always }];
        for piece in pieces(text) {
            let next = match piece {
                Piece::Literal(text) => {
                    all.iter_mut().for_each(|it| it.text.push_str(text));
                    continue;
                }
                Piece::Reference(inner) => self.of_reference(inner)?,
            };
            let mut product = Vec::new();
            for one in &all {
                for other in &next {
                    let condition = one.condition.and(&other.condition);
                    if condition != Condition::Never {
                        let text = format!("{}{}", one.text, other.text);
                        product.push(Alternative { text, condition });
                    }
                }
            }
            if product.len() > MOST_ALTERNATIVES {
                return Err(Stop(format!("{text}, which has too many forms")));
            }
            all = product;
        }
        Ok(all)
    }

    fn of_reference(&self, inner: &str) -> Result<Vec<Alternative>, Stop> {
        let always = |text: &str| vec![Alternative { text: text.to_string(), condition: Condition::Always }];
        // The names of signs (scripts/Kbuild.include).
        match inner {
            "comma" => return Ok(always(",")),
            "empty" => return Ok(always("")),
            "space" => return Ok(always(" ")),
            _ => {}
        }
        if let Some((_, text)) = self.locals.iter().rev().find(|(local, _)| local == inner) {
            return Ok(always(text));
        }
        if let Some(symbol) = inner.strip_prefix("CONFIG_")
            && !symbol.contains(['$', ':', ' '])
        {
            let is =
                |value: &str| Alternative { text: value.into(), condition: Condition::is(symbol, value) };
            return Ok(["y", "m", ""].map(is).into());
        }
        match inner.split_once(char::is_whitespace) {
            Some((function, rest)) => self.of_function(function, rest.trim_start()),
            None => joined(self.words_of_reference(inner)?),
        }
    }

    fn of_function(&self, function: &str, rest: &str) -> Result<Vec<Alternative>, Stop> {
        let arguments = arguments(rest);
        match (function, arguments.as_slice()) {
            ("subst", [from, to, ..]) => {
                self.product([from, to, &list_text(&arguments, 2)], |[from, to, text]| {
                    match from.is_empty() {
                        true => format!("{text}{to}"),
                        false => text.replace(from, to),
                    }
                })
            }
            ("findstring", [wanted, text]) => {
                self.product([wanted, text, ""], |[wanted, text, _]| match text.contains(wanted) {
                    true => wanted.to_string(),
                    false => String::new(),
                })
            }
            _ => joined(self.words_of_function(function, rest)?),
        }
    }

    fn product(
        &self,
        texts: [&str; 3],
        make: impl Fn([&str; 3]) -> String,
    ) -> Result<Vec<Alternative>, Stop> {
        let [first, second, third] = texts.map(|text| self.alternatives(text));
        let (first, second, third) = (first?, second?, third?);
        if first.len() * second.len() * third.len() > MOST_ALTERNATIVES {
            return Err(Stop("a text with too many forms".to_string()));
        }
        let mut found = Vec::new();
        for one in &first {
            for two in &second {
                for three in &third {
                    let condition = one.condition.and(&two.condition).and(&three.condition);
                    if condition != Condition::Never {
                        found
                            .push(Alternative { text: make([&one.text, &two.text, &three.text]), condition });
                    }
                }
            }
        }
        Ok(found)
    }
}

/// The last argument of a function: commas are text in it.
fn list_text(arguments: &[&str], from: usize) -> String {
    arguments.get(from..).unwrap_or_default().join(",")
}

/// All texts that words can make together.
fn joined(words: Vec<Word>) -> Result<Vec<Alternative>, Stop> {
    let mut conditions: Vec<Condition> = Vec::new();
    for word in &words {
        if word.condition != Condition::Always && !conditions.contains(&word.condition) {
            conditions.push(word.condition.clone());
        }
    }
    if conditions.len() > MOST_CONDITIONS {
        return Err(Stop("a list of many conditions as one text".to_string()));
    }
    let mut found = Vec::new();
    for bits in 0..1_usize << conditions.len() {
        let is_on = |condition: &Condition| {
            conditions.iter().position(|it| it == condition).is_none_or(|at| bits >> at & 1 == 1)
        };
        let mut condition = Condition::Always;
        for (at, it) in conditions.iter().enumerate() {
            condition = condition.and(&if bits >> at & 1 == 1 { it.clone() } else { it.negated() });
        }
        if condition != Condition::Never {
            let texts: Vec<&str> =
                words.iter().filter(|word| is_on(&word.condition)).map(|word| word.text.as_str()).collect();
            found.push(Alternative { text: texts.join(" "), condition });
        }
    }
    Ok(found)
}

fn each(words: Vec<Word>, change: impl Fn(&str) -> String) -> Vec<Word> {
    words.into_iter().map(|word| Word { text: change(&word.text), ..word }).collect()
}

fn under(words: Vec<Word>, condition: &Condition) -> Vec<Word> {
    let words = words.into_iter().map(|word| Word { condition: word.condition.and(condition), ..word });
    words.filter(|word| word.condition != Condition::Never).collect()
}

fn sorted(mut words: Vec<Word>) -> Vec<Word> {
    words.sort_by(|one, other| one.text.cmp(&other.text));
    words.dedup_by(|later, kept| {
        let same = later.text == kept.text;
        if same {
            kept.condition = kept.condition.or(&later.condition);
        }
        same
    });
    words
}

fn filtered(words: Vec<Word>, patterns: &[Word], keeps: bool) -> Vec<Word> {
    let kept = words.into_iter().map(|word| {
        let matching = patterns.iter().filter(|pattern| stem(&word.text, &pattern.text).is_some());
        let hit = matching.fold(Condition::Never, |all, pattern| all.or(&pattern.condition));
        let condition = word.condition.and(&if keeps { hit } else { hit.negated() });
        Word { condition, ..word }
    });
    kept.filter(|word| word.condition != Condition::Never).collect()
}

/// What % stands for; the empty text for a pattern without % that is the word.
fn stem<'t>(text: &'t str, pattern: &str) -> Option<&'t str> {
    match pattern.split_once('%') {
        Some((before, after)) => text.strip_prefix(before)?.strip_suffix(after),
        None => (text == pattern).then_some(""),
    }
}

fn replace(text: &str, from: &str, to: &str) -> String {
    match stem(text, from) {
        Some(stem) => to.replacen('%', stem, 1),
        None => text.to_string(),
    }
}
