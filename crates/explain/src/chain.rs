//! The way from a value back to something a person asked for.

use std::collections::{HashMap, VecDeque};

use kconfig::{PropertyId, SymbolId, Tristate};
use serde::Serialize;

use crate::cause::Cause;
use crate::request::Valued;
use crate::resolved::Resolved;

/// A chain that is longer than this many symbols is not looked for.
const FARTHEST: usize = 4000;

/// One step on the way: why this symbol has its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The symbol whose value it explains.
    pub symbol: String,
    /// Its value.
    pub value: String,
    /// "asked" (somebody asked for it), "unasked" (nobody did: allnoconfig's n), "selected", "implied", "default", "choice" (it
    /// is what the choice falls back to), "outvoted" (another member of its choice is set), "nothing" (nothing sets it).
    pub how: &'static str,
    /// The line that did it; null where none did.
    pub place: Option<String>,
    /// The symbol that selects or implies it; of a choice the member that is set; else what the chain goes on with.
    pub by: Option<Valued>,
    /// What the line says: of a default its value and condition, of a select its condition; else the prompt of the choice.
    pub says: Option<String>,
    /// The values of the symbols in that condition.
    pub values: Vec<Valued>,
    /// The reason that was given for it.
    pub reason: Option<String>,
}

impl Resolved<'_> {
    /// The steps from a symbol to the nearest thing that somebody asked for, or to the nearest default where nobody did.
    pub(crate) fn chain(&mut self, id: SymbolId) -> Vec<Step> {
        let (path, causes) = self.shortest_path(id);
        let mut steps = Vec::new();
        for (index, &symbol) in path.iter().enumerate() {
            let next = path.get(index + 1).copied();
            steps.push(self.step(symbol, &causes[&symbol], next));
        }
        steps
    }

    /// A search in breadth from the symbol along what its value hangs on.
    fn shortest_path(&mut self, id: SymbolId) -> (Vec<SymbolId>, HashMap<SymbolId, Cause>) {
        let mut causes: HashMap<SymbolId, Cause> = HashMap::new();
        let mut came_from: HashMap<SymbolId, SymbolId> = HashMap::new();
        let mut queue = VecDeque::from([id]);
        let mut nearest_default = None;
        let mut asked = None;
        while let Some(symbol) = queue.pop_front().filter(|_| causes.len() < FARTHEST) {
            let cause = self.cause(symbol);
            match &cause {
                Cause::Asked => asked = Some(symbol),
                Cause::Default(_) | Cause::Chosen(..) => {
                    nearest_default = nearest_default.or(Some(symbol));
                }
                _ => {}
            }
            let hangs_on = self.hangs_on(symbol, &cause);
            causes.insert(symbol, cause);
            if asked.is_some() {
                break;
            }
            for next in hangs_on {
                if next != id && !came_from.contains_key(&next) {
                    came_from.insert(next, symbol);
                    queue.push_back(next);
                }
            }
        }
        let mut path = vec![asked.or(nearest_default).unwrap_or(id)];
        while let Some(&before) = path.last().and_then(|last| came_from.get(last)) {
            path.push(before);
        }
        path.reverse();
        (path, causes)
    }

    /// The symbols that a value hangs on and that are not n.
    fn hangs_on(&mut self, id: SymbolId, cause: &Cause) -> Vec<SymbolId> {
        let found: Vec<SymbolId> = match cause {
            Cause::Selected(by) | Cause::Implied(by) => by.iter().filter_map(|&it| self.owner(it)).collect(),
            Cause::Default(property) => {
                let property = self.model.property(*property);
                let mut found = self.symbols_in(property.own_condition);
                found.extend(self.symbols_in(property.value));
                // The dependencies last: the line's own condition says more.
                found.extend(self.symbols_in(property.condition));
                found
            }
            Cause::Chosen(choice, _) => self.symbols_in(self.model.menu(*choice).depends),
            _ => Vec::new(),
        };
        let is_on = |this: &mut Self, it: SymbolId| match this.model.symbol(it).kind.is_logical() {
            true => this.configuration.logical(it) != Tristate::No,
            false => !this.model.symbol(it).menus.is_empty(),
        };
        found.into_iter().filter(|&it| it != id && is_on(self, it)).collect()
    }

    /// One step; `next` is the symbol the chain goes on with.
    pub(crate) fn step(&mut self, id: SymbolId, cause: &Cause, next: Option<SymbolId>) -> Step {
        let Valued { symbol, value } = self.valued(id);
        let bare = Step {
            symbol,
            value,
            how: "nothing",
            place: None,
            by: None,
            says: None,
            values: Vec::new(),
            reason: None,
        };
        match cause {
            Cause::Asked => {
                let request = self.requests.get(&id);
                let place = request.map(|it| it.place.clone());
                Step { how: "asked", place, reason: request.and_then(|it| it.reason.clone()), ..bare }
            }
            Cause::Unasked => Step { how: "unasked", ..bare },
            Cause::Selected(by) => Step { how: "selected", ..self.demanded(bare, by, next) },
            Cause::Implied(by) => Step { how: "implied", ..self.demanded(bare, by, next) },
            Cause::Default(property) => {
                let step = Step { how: "default", ..self.defaulted(bare, *property) };
                self.with_dependency(step, *property, next)
            }
            Cause::Chosen(choice, default) => {
                let place = self.model.menu(*choice).place;
                // Only what it depends on can lead on.
                let by = next.map(|next| self.valued(next));
                let bare = Step { how: "choice", place: Some(self.place(place)), by, ..bare };
                match default {
                    Some(property) => {
                        let condition = self.model.property(*property).own_condition;
                        Step { values: self.values_in(condition), ..self.defaulted(bare, *property) }
                    }
                    None => bare,
                }
            }
            Cause::Outvoted(choice, winner) => {
                let place = Some(self.place(self.model.menu(*choice).place));
                let says = self.model.prompt_text(*choice).map(String::from);
                Step { how: "outvoted", place, says, by: winner.map(|it| self.valued(it)), ..bare }
            }
            Cause::Nothing => bare,
        }
    }

    /// A select's or implies' step: that of the symbol the chain goes on with, else the first.
    fn demanded(&mut self, bare: Step, by: &[PropertyId], next: Option<SymbolId>) -> Step {
        let through = by.iter().copied().find(|&it| self.owner(it) == next);
        let Some(property) = through.or(by.first().copied()) else { return bare };
        let owner = self.owner(property).map(|owner| self.valued(owner));
        let condition = self.model.property(property).own_condition;
        Step {
            place: Some(self.place(self.model.property(property).place)),
            by: owner,
            says: condition.map(|_| self.show_expression(condition)),
            values: self.values_in(condition),
            ..bare
        }
    }

    fn defaulted(&mut self, bare: Step, property: PropertyId) -> Step {
        let default = self.model.property(property);
        let says = self.show_default(property);
        let mut values = self.values_in(default.own_condition);
        for value in self.values_in(default.value) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Step { place: Some(self.place(default.place)), says: Some(says), values, ..bare }
    }

    /// Where the chain goes on through a dependency, which the line itself does not name, it is named.
    fn with_dependency(&mut self, step: Step, property: PropertyId, next: Option<SymbolId>) -> Step {
        let default = self.model.property(property);
        let Some(next) = next else { return step };
        let written = [default.own_condition, default.value];
        if written.iter().any(|&it| self.symbols_in(it).contains(&next)) {
            return step;
        }
        Step { by: Some(self.valued(next)), ..step }
    }
}

impl Step {
    /// What it says, in a person's words.
    pub fn sentence(&self) -> String {
        let says = self.says.as_deref();
        let condition = says.map(|says| format!(" if {says}")).unwrap_or_default();
        let by = self.by.as_ref().map(Valued::to_string).unwrap_or_default();
        let title = says.map(|says| format!(" of \"{says}\"")).unwrap_or_default();
        let values = in_brackets(&self.values);
        match self.how {
            "asked" => match &self.reason {
                Some(reason) => format!("{}={} was asked for: {reason}", self.symbol, self.value),
                None => format!("{}={} is set here", self.symbol, self.value),
            },
            "unasked" => "nobody asked for it: n, as allnoconfig answers".to_string(),
            "selected" => format!("{by} selects {}{condition}{values}", self.symbol),
            "implied" => format!("{by} implies {}{condition}{values}", self.symbol),
            "default" if self.by.is_some() => {
                format!("{}: default {}{values}, as {by}", self.symbol, says.unwrap_or("y"))
            }
            "default" => format!("{}: default {}{values}", self.symbol, says.unwrap_or("y")),
            "choice" => {
                let depends = self.by.as_ref().map(|by| format!(", as {by}")).unwrap_or_default();
                match says {
                    Some(says) => format!("the choice's default {says}{values}{depends}"),
                    None => format!("{} is the first of its choice that can be seen{depends}", self.symbol),
                }
            }
            "outvoted" => match &self.by {
                Some(winner) => format!("the choice{title} is {}", winner.symbol),
                None => format!("the choice{title} has no member set"),
            },
            _ => format!("nothing sets {}", self.symbol),
        }
    }
}

/// "   (A=y, B=n)", or nothing.
pub(crate) fn in_brackets(values: &[Valued]) -> String {
    let shown: Vec<String> = values.iter().map(Valued::to_string).collect();
    if shown.is_empty() { String::new() } else { format!("   ({})", shown.join(", ")) }
}
