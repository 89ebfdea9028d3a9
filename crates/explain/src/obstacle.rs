//! What stands between a symbol and another value: which dependency refuses, where it is written, and what it would take.

use kconfig::{
    Comparison, Expression, ExpressionId, MenuId, Place, PropertyId, PropertyKind, SymbolId, SymbolType,
    Tristate,
};
use serde::Serialize;

use crate::cause::Cause;
use crate::request::Valued;
use crate::resolved::Resolved;

/// How deep an answer follows what a refusal hangs on.
const DEEPEST: usize = 3;
/// How many selects, defaults or alternatives are named.
const NAMED: usize = 4;

/// Whether a person can give a symbol a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// By asking for it.
    Free,
    /// Not while its prompt is out of sight: the obstacles say why.
    Blocked,
    /// Never directly: it has no prompt, and follows from others.
    Promptless,
    /// Not while another symbol selects it.
    Selected,
    /// It is defined nowhere in this kernel and architecture.
    Undefined,
}

/// How a symbol stands to a value it does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The symbol.
    pub symbol: String,
    /// The value it has.
    pub value: String,
    /// The value it would need; null where any would do.
    pub wanted: Option<&'static str>,
    /// Where it is defined first.
    pub place: Option<String>,
    /// Whether a person can make it so.
    pub reach: Reach,
    /// Whether it was looked into; not where an answer has done so already, nor too far from its question.
    pub followed: bool,
    /// The conditions that refuse, outermost first; those an answer has named already are left out.
    pub obstacles: Vec<Obstacle>,
    /// What would set it, or does: its selects and defaults.
    pub setters: Vec<Setter>,
    /// How many more of these there are.
    pub more_setters: usize,
}

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// The line it stands in.
    pub place: String,
    /// What it belongs to: "depends on", "if", "visible if", "prompt if", `menu "…" depends on`.
    pub kind: String,
    /// The part that refuses.
    pub term: String,
    /// The values of the symbols in it.
    pub values: Vec<Valued>,
    /// How these stand to the values it would take.
    pub standings: Vec<Standing>,
}

/// A line that gives a symbol its value, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setter {
    /// "select" or "default".
    pub kind: &'static str,
    /// Where it stands.
    pub place: String,
    /// Who selects.
    pub by: Option<Valued>,
    /// Whether the one that selects can be set by a person now.
    pub free: bool,
    /// A default's value and condition, a select's condition.
    pub says: Option<String>,
    /// What keeps a default from counting: the parts of its conditions that do not hold.
    pub lacks: Vec<String>,
}

/// What an answer holds already: nothing is followed or told twice.
#[derive(Default)]
struct Told {
    symbols: Vec<SymbolId>,
    terms: Vec<String>,
}

/// A condition as it was written, with what it belongs to.
struct Written {
    kind: String,
    expression: ExpressionId,
    /// The statement itself, or the entry whose `depends on` lines are to be looked through.
    place: Place,
    in_entry: bool,
}

impl Resolved<'_> {
    /// How a symbol stands to a value; `None` for whatever the user would like.
    pub(crate) fn standing(&mut self, id: SymbolId, wanted: Option<Tristate>) -> Standing {
        self.standing_within(id, wanted, 0, &mut Told::default())
    }

    fn standing_within(
        &mut self,
        id: SymbolId,
        wanted: Option<Tristate>,
        depth: usize,
        told: &mut Told,
    ) -> Standing {
        let wanted = wanted.map(|wanted| self.proper(id, wanted));
        let reach = self.reach(id, wanted);
        let Valued { symbol, value } = self.valued(id);
        let place = self.first_place(id);
        let wanted_word = wanted.map(Tristate::letter);
        let mut standing = Standing {
            symbol,
            value,
            wanted: wanted_word,
            place,
            reach,
            followed: depth < DEEPEST && !told.symbols.contains(&id),
            obstacles: Vec::new(),
            setters: Vec::new(),
            more_setters: 0,
        };
        if !standing.followed {
            return standing;
        }
        told.symbols.push(id);
        match reach {
            Reach::Blocked => standing.obstacles = self.obstacles(id, wanted, depth, told),
            Reach::Promptless => {
                let all = self.setters(id, wanted);
                standing.more_setters = all.len().saturating_sub(NAMED);
                standing.setters = all.into_iter().take(NAMED).collect();
            }
            Reach::Selected => {
                let all = self.in_force(id, PropertyKind::Select);
                standing.more_setters = all.len().saturating_sub(NAMED);
                let shown: Vec<PropertyId> = all.into_iter().take(NAMED).collect();
                standing.setters = shown.into_iter().map(|it| self.setter(it)).collect();
            }
            Reach::Free | Reach::Undefined => {}
        }
        standing
    }

    /// What knows no m is y instead.
    fn proper(&mut self, id: SymbolId, wanted: Tristate) -> Tristate {
        match wanted {
            Tristate::Module if self.enough(id, Tristate::Yes) == Tristate::Module => Tristate::Yes,
            wanted => wanted,
        }
    }

    fn reach(&mut self, id: SymbolId, wanted: Option<Tristate>) -> Reach {
        if self.model.symbol(id).menus.is_empty() {
            return Reach::Undefined;
        }
        if !self.has_prompt(id) {
            return Reach::Promptless;
        }
        let visible = self.configuration.visibility(id);
        let wanted = wanted.map(|wanted| match wanted {
            Tristate::No => Tristate::No,
            wanted => self.enough(id, wanted),
        });
        if visible == Tristate::No || wanted.is_some_and(|wanted| visible < wanted) {
            return Reach::Blocked;
        }
        let selected = self.configuration.selected(id);
        let kept_on = wanted == Some(Tristate::No) && selected != Tristate::No;
        let settled = wanted.is_none() && selected != Tristate::No && selected >= visible;
        if kept_on || settled { Reach::Selected } else { Reach::Free }
    }

    /// The conditions that keep its prompt out of sight: of the entry where the fewest do.
    fn obstacles(
        &mut self,
        id: SymbolId,
        wanted: Option<Tristate>,
        depth: usize,
        told: &mut Told,
    ) -> Vec<Obstacle> {
        let least = match wanted {
            Some(Tristate::Yes) => self.enough(id, Tristate::Yes),
            _ => Tristate::Module,
        };
        let mut best: Option<Vec<(Written, ExpressionId)>> = None;
        for prompt in self.prompts(id) {
            let refusing = self.refusing(prompt, least);
            if best.as_ref().is_none_or(|best| refusing.len() < best.len()) {
                best = Some(refusing);
            }
        }
        let mut fresh = Vec::new();
        for (written, term) in best.unwrap_or_default() {
            let shown = self.show_expression(Some(term));
            // The same condition may stand around and in an entry; the outer one is enough.
            if !told.terms.contains(&shown) {
                told.terms.push(shown.clone());
                fresh.push((written, term, shown));
            }
        }
        let mut found: Vec<Obstacle> = Vec::new();
        for (written, term, shown) in fresh {
            let standings = self.standings(term, least, depth, told);
            let values = self.values_in(Some(term));
            let place = self.place(self.statement(&written, term));
            found.push(Obstacle { place, kind: written.kind, term: shown, values, standings });
        }
        found
    }

    /// The parts of a property's conditions that give less than `least`.
    fn refusing(&mut self, property: PropertyId, least: Tristate) -> Vec<(Written, ExpressionId)> {
        let mut refusing = Vec::new();
        for written in self.conditions(property) {
            for term in self.model.expressions().factors(Some(written.expression)) {
                if self.configuration.evaluate(Some(term)) < least {
                    refusing.push((written.clone(), term));
                }
            }
        }
        match refusing.is_empty() {
            true => self.whole_condition(property, least),
            false => refusing,
        }
    }

    /// Where what was written does not show the refusal, the whole condition does.
    fn whole_condition(&mut self, prompt: PropertyId, least: Tristate) -> Vec<(Written, ExpressionId)> {
        let property = self.model.property(prompt);
        let (place, kind) = (property.place, "prompt if".to_string());
        let factors = self.model.expressions().factors(property.condition);
        let refusing = factors.into_iter().filter(|&term| self.configuration.evaluate(Some(term)) < least);
        refusing
            .map(|term| (Written { kind: kind.clone(), expression: term, place, in_entry: false }, term))
            .collect()
    }

    /// All conditions of a prompt as they were written, the outermost block's first.
    fn conditions(&self, prompt: PropertyId) -> Vec<Written> {
        let property = self.model.property(prompt);
        let mut blocks = Vec::new();
        let mut around = self.model.menu(property.menu).around;
        while let Some(block) = around {
            blocks.push(block);
            around = self.model.menu(block).around;
        }
        let mut found = Vec::new();
        let mut of_blocks = Vec::new();
        for &block in blocks.iter().rev() {
            let menu = self.model.menu(block);
            let title = self.title(block);
            if let Some(expression) = menu.own_depends {
                let kind = if title.is_empty() { "if".to_string() } else { format!("{title} depends on") };
                found.push(Written { kind, expression, place: menu.place, in_entry: !title.is_empty() });
            }
            if let Some(expression) = menu.visibility {
                of_blocks.extend(self.shown_factors(expression));
                let kind = format!("{title} visible if");
                found.push(Written { kind, expression, place: menu.place, in_entry: true });
            }
        }
        let entry = self.model.menu(property.menu);
        if let Some(expression) = entry.own_depends {
            found.push(Written { kind: "depends on".into(), expression, place: entry.place, in_entry: true });
        }
        // The engine has the `visible if` of the blocks around in here too.
        let own = self.model.expressions().factors(property.own_condition);
        for expression in own {
            if !of_blocks.contains(&self.model.show(Some(expression))) {
                let kind = "prompt if".to_string();
                found.push(Written { kind, expression, place: property.place, in_entry: false });
            }
        }
        found
    }

    fn shown_factors(&self, expression: ExpressionId) -> Vec<String> {
        let factors = self.model.expressions().factors(Some(expression));
        factors.into_iter().map(|it| self.model.show(Some(it))).collect()
    }

    /// `menu "Serial drivers"`, `choice "Compression"`; nothing for an `if`.
    fn title(&self, block: MenuId) -> String {
        let menu = self.model.menu(block);
        let word = match menu.symbol {
            Some(symbol) if self.model.symbol(symbol).is_choice => "choice",
            _ if menu.prompt.is_some() => "menu",
            _ => return String::new(),
        };
        match menu.prompt.and_then(|prompt| self.model.property(prompt).text.as_deref()) {
            Some(text) => format!("{word} \"{text}\""),
            None => word.to_string(),
        }
    }

    /// The line of the statement that a term stands in: of an entry, its `depends on` that names the term's symbols.
    fn statement(&self, written: &Written, term: ExpressionId) -> Place {
        if !written.in_entry {
            return written.place;
        }
        let names: Vec<String> =
            self.symbols_in(Some(term)).iter().map(|&id| self.model.name(id).to_string()).collect();
        let mut best = (0, written.place);
        for (line, text) in self.conditions_written(written.place) {
            let named = names.iter().filter(|name| has_word(&text, name)).count();
            if named > best.0 {
                best = (named, Place { line, ..written.place });
            }
        }
        best.1
    }

    /// The `depends on` and `visible if` statements of the entry at a place: their first line's number, and all their text.
    fn conditions_written(&self, entry: Place) -> Vec<(u32, String)> {
        let mut found: Vec<(u32, String)> = Vec::new();
        let mut continued = false;
        for (line, text) in self.model.lines_from(entry).skip(1) {
            match text.split_whitespace().next().unwrap_or_default() {
                _ if continued => found.last_mut().into_iter().for_each(|(_, all)| all.push_str(text)),
                "depends" | "visible" => found.push((line, text.to_string())),
                "config" | "menuconfig" | "menu" | "choice" | "if" | "endif" | "endmenu" | "endchoice"
                | "source" | "comment" | "help" | "---help---" => break,
                _ => continue,
            }
            continued = text.ends_with('\\');
        }
        found
    }

    /// How the symbols of a refusing term stand to the values it would take: one for each way to make it hold.
    fn standings(
        &mut self,
        term: ExpressionId,
        least: Tristate,
        depth: usize,
        told: &mut Told,
    ) -> Vec<Standing> {
        let mut found = Vec::new();
        for way in self.model.expressions().terms(Some(term)).into_iter().take(NAMED) {
            for factor in self.model.expressions().factors(Some(way)) {
                if self.configuration.evaluate(Some(factor)) >= least {
                    continue;
                }
                let Some((symbol, wanted)) = self.literal_of(factor, least) else { continue };
                found.push(self.standing_within(symbol, wanted, depth + 1, told));
            }
        }
        found
    }

    /// The symbol a factor is about and the value it wants of it; no value where it is not n, m or y.
    fn literal_of(&self, factor: ExpressionId, least: Tristate) -> Option<(SymbolId, Option<Tristate>)> {
        let named = |id: SymbolId| self.model.symbol(id).name.is_some() && !self.model.symbol(id).constant;
        let found = match self.model.expressions().get(factor) {
            Expression::Symbol(id) => (id, Some(least)),
            Expression::Not(inner) => match self.model.expressions().get(inner) {
                Expression::Symbol(id) => (id, Some(Tristate::No)),
                _ => return None,
            },
            Expression::Compare(sign, id, value) => {
                let wanted = match (sign, self.model.name(value)) {
                    (Comparison::Equal, "y") | (Comparison::Unequal, "n") => Some(least),
                    (Comparison::Equal, "m") => Some(Tristate::Module),
                    (Comparison::Equal, "n") | (Comparison::Unequal, "y") => Some(Tristate::No),
                    _ => None,
                };
                (id, wanted)
            }
            _ => return None,
        };
        named(found.0).then_some(found)
    }

    /// The lines that could give a symbol without a prompt its value; those a person can reach first.
    fn setters(&mut self, id: SymbolId, wanted: Option<Tristate>) -> Vec<Setter> {
        let mut found = Vec::new();
        if wanted == Some(Tristate::No) {
            let cause = self.cause(id);
            let lines = match cause {
                Cause::Selected(by) | Cause::Implied(by) => by,
                Cause::Default(property) => vec![property],
                _ => Vec::new(),
            };
            found.extend(lines.into_iter().map(|it| self.setter(it)));
            return found;
        }
        for property in self.selects.get(&id).cloned().unwrap_or_default() {
            found.push(self.setter(property));
        }
        found.sort_by_key(|setter| !setter.free);
        let model = self.model;
        let defaults: Vec<PropertyId> =
            model.properties_of(id, PropertyKind::Default).map(|(property, _)| property).collect();
        let says_no = |this: &Self, it: PropertyId| {
            this.show_expression(model.property(it).value) == "n" && this.macro_of(it).is_none()
        };
        let defaults: Vec<PropertyId> = defaults.into_iter().filter(|&it| !says_no(self, it)).collect();
        let mut all: Vec<Setter> = defaults.into_iter().map(|it| self.setter(it)).collect();
        all.append(&mut found);
        all
    }

    fn setter(&mut self, property: PropertyId) -> Setter {
        let line = self.model.property(property);
        let place = self.place(line.place);
        if line.kind == PropertyKind::Default {
            let says = self.show_default(property);
            let refusing = self.refusing(property, Tristate::Module);
            let lacks = refusing.into_iter().map(|(_, term)| self.show_expression(Some(term))).collect();
            return Setter { kind: "default", place, by: None, free: false, says: Some(says), lacks };
        }
        let owner = self.owner(property);
        let free = owner.is_some_and(|owner| self.reach(owner, Some(Tristate::Yes)) == Reach::Free);
        Setter {
            kind: "select",
            place,
            by: owner.map(|owner| self.valued(owner)),
            free,
            says: line.own_condition.map(|_| self.show_expression(line.own_condition)),
            lacks: Vec::new(),
        }
    }

    /// The range a number must lie in: "3 to 9".
    pub(crate) fn range(&mut self, id: SymbolId) -> Option<String> {
        if !matches!(self.model.symbol(id).kind, SymbolType::Int | SymbolType::Hex) {
            return None;
        }
        let range = self.configuration.range_in_force(id)?;
        match self.model.expressions().get(self.model.property(range).value?) {
            Expression::Range(low, high) => {
                let end = |this: &mut Self, end: SymbolId| match this.model.symbol(end).kind {
                    SymbolType::Unknown => this.model.name(end).to_string(),
                    _ => this.value(end),
                };
                let place = self.place(self.model.property(range).place);
                Some(format!("{} to {} ({place})", end(self, low), end(self, high)))
            }
            _ => None,
        }
    }
}

impl Clone for Written {
    fn clone(&self) -> Written {
        Written { kind: self.kind.clone(), ..*self }
    }
}

/// Whether `name` stands in `text` as a word of its own.
fn has_word(text: &str, name: &str) -> bool {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).any(|word| word == name)
}
