//! Why a symbol has its value, and why it has not another.

use kconfig::{PropertyKind, SymbolId, Tristate};
use serde::Serialize;

pub use crate::chain::Step;
use crate::chain::in_brackets;
use crate::obstacle::{Obstacle, Reach, Setter, Standing};
use crate::request::{Request, Valued};
use crate::resolved::Resolved;
use crate::row::{Row, Weight};

/// How many other selects of a symbol are named.
const OTHERS: usize = 4;

/// The answer to "why?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The symbol's name.
    pub symbol: String,
    /// Its value, as `.config` writes it.
    pub value: String,
    /// "bool", "tristate", "integer", "hex", "string"
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What menuconfig shows; null for a symbol nobody can set.
    pub prompt: Option<String>,
    /// Where it is defined, "file:line" each.
    pub defined: Vec<String>,
    /// What somebody asked for.
    pub asked: Option<Request>,
    /// Whether that was granted; true where nobody asked.
    pub granted: bool,
    /// From the symbol to what a person asked for.
    pub chain: Vec<Step>,
    /// Who selects it too.
    pub also_selected_by: Vec<Valued>,
    /// The range a number must lie in.
    pub range: Option<String>,
    /// How it stands to the value that was asked for, to y where it is n, else to any other.
    pub standing: Standing,
}

impl Resolved<'_> {
    /// Why a symbol has its value, and what stands against another.
    pub fn why(&mut self, id: SymbolId) -> Why {
        let Valued { symbol, value } = self.valued(id);
        let asked = self.requests.get(&id).cloned();
        let granted = asked.as_ref().is_none_or(|asked| self.is_granted(id, &asked.value));
        let chain = self.chain(id);
        let wanted = self.wanted(id, asked.as_ref().filter(|_| !granted));
        Why {
            kind: self.model.symbol(id).kind.name(),
            prompt: self.prompt_text(id),
            defined: self
                .model
                .symbol(id)
                .menus
                .iter()
                .map(|&it| self.place(self.model.menu(it).place))
                .collect(),
            also_selected_by: self.other_selects(id, &chain),
            range: self.range(id),
            standing: self.standing(id, wanted),
            symbol,
            value,
            asked,
            granted,
            chain,
        }
    }

    /// The value whose absence is to be explained.
    fn wanted(&mut self, id: SymbolId, refused: Option<&Request>) -> Option<Tristate> {
        if !self.model.symbol(id).kind.is_logical() {
            return None;
        }
        match refused.map(|request| request.value.as_bytes().first()) {
            Some(Some(b'n')) => Some(Tristate::No),
            Some(Some(b'm')) => Some(Tristate::Module),
            Some(Some(b'y')) => Some(Tristate::Yes),
            Some(_) => None,
            None => (self.configuration.logical(id) == Tristate::No).then_some(Tristate::Yes),
        }
    }

    fn other_selects(&mut self, id: SymbolId, chain: &[Step]) -> Vec<Valued> {
        let named = chain.first().filter(|step| step.how == "selected").and_then(|step| step.by.clone());
        let mut others = Vec::new();
        for property in self.in_force(id, PropertyKind::Select) {
            let Some(owner) = self.owner(property) else { continue };
            let owner = self.valued(owner);
            if Some(&owner) != named.as_ref() && !others.contains(&owner) {
                others.push(owner);
            }
        }
        others
    }
}

impl Why {
    /// The answer for a person, line by line.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = vec![self.head()];
        self.refusal(&mut rows);
        self.way(&mut rows);
        self.prospects(&mut rows);
        rows
    }

    fn head(&self) -> Row {
        let prompt = match &self.prompt {
            Some(prompt) => format!("{} \"{prompt}\"", self.kind),
            None => format!("{} without a prompt", self.kind),
        };
        let place = self.defined.first().map(|place| format!(", {place}")).unwrap_or_default();
        let more = match self.defined.len() {
            0 | 1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        Row::new(Weight::Head, 0, format!("{}={}", self.symbol, self.value), format!("{prompt}{place}{more}"))
    }

    /// What was asked for and not granted.
    fn refusal(&self, rows: &mut Vec<Row>) {
        let Some(asked) = self.asked.as_ref().filter(|_| !self.granted) else { return };
        let reason = asked.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let because = match self.standing.reach {
            Reach::Selected => ": it is selected",
            Reach::Promptless => ": it has no prompt, so others decide",
            _ => "",
        };
        let text =
            format!("{}={} was asked for{reason} and is not granted{because}", asked.name, asked.value);
        rows.push(Row::new(Weight::Obstacle, 1, &asked.place, text));
        if let Some(range) = &self.range {
            rows.push(Row::new(Weight::Fact, 1, "", format!("it may be from {range}")));
        }
    }

    /// The chain, unless the obstacles say all.
    fn way(&self, rows: &mut Vec<Row>) {
        let off = self.value == "n" && self.standing.reach != Reach::Free;
        for step in &self.chain {
            let untrue = step.how == "asked" && step.symbol == self.symbol && !self.granted;
            let says_nothing = untrue || step.how == "nothing" || (step.how == "unasked" && off);
            if !(says_nothing && (off || !self.granted)) {
                let place = step.place.clone().unwrap_or_default();
                rows.push(Row::new(Weight::Fact, 1, place, step.sentence()));
            }
        }
        if !self.also_selected_by.is_empty() {
            let shown = listed(&self.also_selected_by, OTHERS);
            rows.push(Row::new(Weight::Aside, 1, "", format!("selected too by {shown}")));
        }
    }

    /// What it would take to have it otherwise.
    fn prospects(&self, rows: &mut Vec<Row>) {
        let standing = &self.standing;
        match (standing.reach, self.value.as_str()) {
            (Reach::Free, "n") if self.chain.first().is_some_and(|step| step.how == "outvoted") => {
                rows.push(Row::new(Weight::Try, 1, "", format!("it can be chosen: {}=y", self.symbol)));
            }
            (Reach::Free, "n") if self.granted && self.asked.is_none() => {
                rows.push(Row::new(Weight::Try, 1, "", format!("it can be set: {}=y", self.symbol)));
            }
            (Reach::Free | Reach::Undefined, _) => {}
            (Reach::Blocked, value) => {
                let text = match value {
                    "n" => format!("{} cannot be set; this refuses:", self.symbol),
                    _ => "it cannot be changed: its prompt is hidden by".to_string(),
                };
                rows.push(Row::new(Weight::Obstacle, 1, "", text));
                obstacle_rows(&standing.obstacles, 2, rows);
            }
            (Reach::Promptless, "n") => {
                rows.push(Row::new(Weight::Obstacle, 1, "", nobody_sets(standing)));
                setter_rows(standing, 2, rows);
            }
            (Reach::Promptless | Reach::Selected, _) => {}
        }
    }
}

fn nobody_sets(standing: &Standing) -> String {
    match standing.setters.is_empty() {
        true => format!("{} has no prompt, and nothing in this kernel sets it", standing.symbol),
        false => format!("{} has no prompt: it is set only by", standing.symbol),
    }
}

fn obstacle_rows(obstacles: &[Obstacle], depth: usize, rows: &mut Vec<Row>) {
    for obstacle in obstacles {
        let text = format!("{} {}{}", obstacle.kind, obstacle.term, in_brackets(&obstacle.values));
        rows.push(Row::new(Weight::Fact, depth, &obstacle.place, text));
        for standing in &obstacle.standings {
            standing_rows(standing, depth + 1, rows);
        }
    }
}

fn standing_rows(standing: &Standing, depth: usize, rows: &mut Vec<Row>) {
    let Standing { symbol, value, .. } = standing;
    let (weight, text) = match standing.reach {
        Reach::Free => {
            let text = match standing.wanted {
                None => format!("{symbol} can be changed"),
                Some(_) if value == "n" => format!("{symbol} can be set"),
                Some(wanted) => format!("{symbol} can be {wanted}"),
            };
            (Weight::Try, text)
        }
        Reach::Blocked if !standing.followed => {
            (Weight::Fact, format!("{symbol}={value}: its prompt is hidden"))
        }
        Reach::Blocked if standing.obstacles.is_empty() => {
            (Weight::Fact, format!("{symbol}={value}: its prompt is hidden by the same"))
        }
        Reach::Blocked => (Weight::Fact, format!("{symbol}={value}: its prompt is hidden by")),
        Reach::Promptless if !standing.followed => (Weight::Fact, format!("{symbol}={value} has no prompt")),
        Reach::Promptless if matches!(standing.wanted, None | Some("n")) => {
            (Weight::Fact, format!("{symbol}={value} has no prompt: it is set by"))
        }
        Reach::Promptless => (Weight::Fact, nobody_sets(standing)),
        Reach::Selected if !standing.followed => (Weight::Fact, format!("{symbol}={value} is selected")),
        Reach::Selected => (Weight::Fact, format!("{symbol}={value} is selected by")),
        Reach::Undefined => (Weight::Fact, format!("{symbol} is defined nowhere in this kernel")),
    };
    rows.push(Row::new(weight, depth, standing.place.clone().unwrap_or_default(), text));
    obstacle_rows(&standing.obstacles, depth + 1, rows);
    setter_rows(standing, depth + 1, rows);
}

fn setter_rows(standing: &Standing, depth: usize, rows: &mut Vec<Row>) {
    for setter in &standing.setters {
        rows.push(setter.row(depth));
    }
    if standing.more_setters > 0 {
        rows.push(Row::new(Weight::Aside, depth, "", format!("and {} more", standing.more_setters)));
    }
}

impl Setter {
    fn row(&self, depth: usize) -> Row {
        let text = match &self.by {
            Some(by) => {
                let condition = self.says.as_ref().map(|says| format!(" if {says}")).unwrap_or_default();
                let free = if self.free && by.value == "n" { ", which can be set" } else { "" };
                format!("select by {by}{condition}{free}")
            }
            None => {
                let lacks = match self.lacks.as_slice() {
                    [] => String::new(),
                    lacks => format!(", which takes {}", lacks.join(" and ")),
                };
                format!("default {}{lacks}", self.says.as_deref().unwrap_or("y"))
            }
        };
        Row::new(Weight::Fact, depth, &self.place, text)
    }
}

/// "A=y, B=y and 3 more"
fn listed(values: &[Valued], most: usize) -> String {
    let shown: Vec<String> = values.iter().take(most).map(Valued::to_string).collect();
    match values.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
