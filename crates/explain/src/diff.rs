//! What two configurations of one kernel differ in: what a person could have set otherwise, and what followed.

use std::collections::{HashMap, HashSet};

use kconfig::{Configuration, SymbolId, Tristate, UserValue};
use serde::Serialize;

use crate::resolved::Resolved;
use crate::row::{Row, Weight};

/// How many configurations are computed one by one; beyond, causes are applied all at once.
const EVALUATIONS: usize = 400;
/// How many consequences of a cause are named, unless all are wanted.
const NAMED: usize = 6;

/// A symbol with two values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The symbol's name.
    pub symbol: String,
    /// Its value on the left as `.config` writes it; null where it has no line and is no bool or tristate.
    pub left: Option<String>,
    /// Its value on the right.
    pub right: Option<String>,
}

/// A difference a person can make, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What was set otherwise.
    pub cause: Difference,
    /// Who set it on the left.
    pub left_place: Option<String>,
    /// Who set it on the right.
    pub right_place: Option<String>,
    /// The cause that brings this one in reach; null where it is in reach on the left.
    pub under: Option<String>,
    /// What follows from it alone.
    pub follows: Vec<Difference>,
}

/// All that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// How many symbols differ.
    pub count: usize,
    /// Causes with their consequences; one that is in reach only by another stands behind it.
    pub groups: Vec<Group>,
    /// What follows from several of the causes together.
    pub together: Vec<Difference>,
    /// What none of the causes explains.
    pub rest: Vec<Difference>,
}

/// Compares two configurations of the same model.
///
/// # Panics
/// The two are not of the same model.
pub fn diff<'m>(left: &mut Resolved<'m>, right: &mut Resolved<'m>) -> Differences {
    assert!(std::ptr::eq(left.model, right.model), "two configurations of one model");
    let mut search = Search::new(left, right);
    let mut found = Differences { count: search.open.len(), ..Differences::default() };
    while search.round(&mut found) {}
    found.rest = search.open.clone().into_iter().map(|id| search.difference(id)).collect();
    found.groups = arrange(found.groups);
    found
}

/// The left configuration on its way to the right one.
struct Search<'a, 'm> {
    left: &'a mut Resolved<'m>,
    right: &'a mut Resolved<'m>,
    /// The left one with the causes found so far.
    now: Configuration<'m>,
    /// What still differs, in the order of the files.
    open: Vec<SymbolId>,
    /// Both values of all that differs.
    values: HashMap<SymbolId, [Option<String>; 2]>,
    /// The cause that first brought a symbol in reach.
    reached_by: HashMap<SymbolId, SymbolId>,
    evaluations: usize,
}

impl<'a, 'm> Search<'a, 'm> {
    fn new(left: &'a mut Resolved<'m>, right: &'a mut Resolved<'m>) -> Search<'a, 'm> {
        let mut ids = left.written();
        let known: HashSet<SymbolId> = ids.iter().copied().collect();
        ids.extend(right.written().into_iter().filter(|id| !known.contains(id)));
        ids.sort_by_key(|&id| left.model.first_entry(id).map(|menu| menu.index()));
        let mut values = HashMap::new();
        let mut same = Vec::new();
        ids.retain(|&id| {
            let both = [line(left, id), line(right, id)];
            let differs = both[0] != both[1];
            match differs {
                true => drop(values.insert(id, both)),
                false => same.push(id),
            }
            differs
        });
        let mut now = left.configuration.clone();
        hold(&mut now, same.into_iter().filter(|&id| left.has_prompt(id)).collect());
        forget_what_is_forced(&mut now, &ids);
        Search { left, right, now, open: ids, values, reached_by: HashMap::new(), evaluations: 0 }
    }

    fn difference(&self, id: SymbolId) -> Difference {
        let [left, right] = self.values[&id].clone();
        Difference { symbol: self.left.model.name(id).to_string(), left, right }
    }

    /// Applies all causes that are in reach now; false if there are none.
    fn round(&mut self, found: &mut Differences) -> bool {
        let mut candidates = self.causes(true);
        if candidates.is_empty() {
            // Nobody said anything of what is left, but it can be set.
            candidates = self.causes(false);
        }
        if candidates.is_empty() {
            return false;
        }
        let mut taken: HashSet<SymbolId> = candidates.iter().copied().collect();
        let singly = self.evaluations + candidates.len() <= EVALUATIONS;
        for &cause in &candidates {
            let follows = if singly { self.apply_alone(cause, &taken) } else { Vec::new() };
            taken.extend(&follows);
            let place = |side: &Resolved| side.requests.get(&cause).map(|request| request.place.clone());
            let follows = follows.into_iter().map(|id| self.difference(id)).collect();
            found.groups.push(Group {
                cause: self.difference(cause),
                left_place: place(self.left),
                right_place: place(self.right),
                under: self.reached_by.get(&cause).map(|id| self.left.model.name(*id).to_string()),
                follows,
            });
        }
        for &cause in &candidates {
            self.assign_right(cause);
        }
        self.now.invalidate();
        let mut together = Vec::new();
        let mut open = Vec::new();
        for id in std::mem::take(&mut self.open) {
            match taken.contains(&id) {
                true => {}
                false if self.is_settled(id) => together.push(id),
                false => open.push(id),
            }
        }
        // What several causes brought in reach counts to the first of them.
        for &id in &open {
            if self.now.visibility(id) != Tristate::No {
                self.reached_by.entry(id).or_insert(candidates[0]);
            }
        }
        self.open = open;
        found.together.extend(together.into_iter().map(|id| self.difference(id)));
        true
    }

    /// What is in reach and still open; only what somebody set, if so `asked`.
    fn causes(&mut self, asked: bool) -> Vec<SymbolId> {
        self.open.clone().into_iter().filter(|&id| self.is_cause(id, asked)).collect()
    }

    /// Whether a person who has the left configuration could set the symbol as it is on the right.
    fn is_cause(&mut self, id: SymbolId, asked: bool) -> bool {
        let right = &mut self.right.configuration;
        if self.now.visibility(id) == Tristate::No || right.visibility(id) == Tristate::No {
            return false;
        }
        if asked && self.now.user_value(id).is_none() && right.user_value(id).is_none() {
            return false;
        }
        if !self.left.model.symbol(id).kind.is_logical() {
            return true;
        }
        let value = right.logical(id);
        let is_member = self.left.choice_of(id).is_some();
        let forced = value != Tristate::No && right.selected(id) >= value;
        !forced && if is_member { value == Tristate::Yes } else { self.now.is_allowed(id, value) }
    }

    /// What follows from one cause alone, of what is still open.
    fn apply_alone(&mut self, cause: SymbolId, taken: &HashSet<SymbolId>) -> Vec<SymbolId> {
        self.evaluations += 1;
        let mut before = self.now.clone();
        self.assign_right(cause);
        self.now.invalidate();
        let mut follows = Vec::new();
        for id in self.open.clone() {
            if taken.contains(&id) {
                continue;
            }
            if self.is_settled(id) {
                follows.push(id);
            } else if self.now.visibility(id) > before.visibility(id) {
                self.reached_by.entry(id).or_insert(cause);
            }
        }
        self.now = before;
        follows
    }

    /// Gives a symbol its value of the right side.
    fn assign_right(&mut self, id: SymbolId) {
        let value = value_to_assign(self.left.model, &mut self.right.configuration, id);
        self.now.assign(id, value);
    }

    fn is_settled(&mut self, id: SymbolId) -> bool {
        line_of(self.left.model, &mut self.now, id) == self.values[&id][1]
    }
}

/// What is the same on both sides stays so, also where it comes in sight on the way.
fn hold(configuration: &mut Configuration, same: Vec<SymbolId>) {
    let model = configuration.model();
    let values: Vec<(SymbolId, UserValue)> =
        same.into_iter().map(|id| (id, value_to_assign(model, configuration, id))).collect();
    for (id, value) in values {
        // Of a choice's members the one that is set says all.
        if model.choice_menu_of(id).is_none() || value == UserValue::Logical(Tristate::Yes) {
            configuration.assign(id, value);
        }
    }
}

fn value_to_assign(model: &kconfig::Model, configuration: &mut Configuration, id: SymbolId) -> UserValue {
    match model.symbol(id).kind.is_logical() {
        true => UserValue::Logical(configuration.logical(id)),
        false => UserValue::Text(configuration.text(id)),
    }
}

/// What a person set and a select made void is not taken for their will: without the select it would not be so.
fn forget_what_is_forced(configuration: &mut Configuration, ids: &[SymbolId]) {
    let model = configuration.model();
    let mut forced = Vec::new();
    for &id in ids {
        let logical = model.symbol(id).kind.is_logical();
        if logical && configuration.selected(id) != Tristate::No && configuration.user_value(id).is_some() {
            forced.push(id);
        }
    }
    for id in forced {
        configuration.assign(id, UserValue::Logical(Tristate::No));
    }
    configuration.invalidate();
}

fn line(side: &mut Resolved, id: SymbolId) -> Option<String> {
    line_of(side.model, &mut side.configuration, id)
}

/// The value `.config` has for a symbol; n for a bool or tristate without a line.
fn line_of(model: &kconfig::Model, configuration: &mut Configuration, id: SymbolId) -> Option<String> {
    if model.symbol(id).kind.is_logical() {
        return Some(configuration.logical(id).letter().to_string());
    }
    configuration.is_written(id).then(|| crate::resolved::as_written(model, configuration, id))
}

/// Causes with the most consequences first, each followed by those it brings in reach.
fn arrange(groups: Vec<Group>) -> Vec<Group> {
    let names: HashSet<String> = groups.iter().map(|group| group.cause.symbol.clone()).collect();
    let mut left = groups;
    left.sort_by_key(|group| std::cmp::Reverse(group.follows.len()));
    let mut below: HashMap<String, Vec<Group>> = HashMap::new();
    let mut top = Vec::new();
    for group in left {
        match group.under.clone().filter(|under| names.contains(under) && *under != group.cause.symbol) {
            Some(under) => below.entry(under).or_default().push(group),
            None => top.push(group),
        }
    }
    let mut arranged = Vec::new();
    let mut stack: Vec<Group> = top.into_iter().rev().collect();
    while let Some(group) = stack.pop() {
        stack.extend(below.remove(&group.cause.symbol).unwrap_or_default().into_iter().rev());
        arranged.push(group);
    }
    arranged
}

impl Difference {
    /// "PCI: n → y"
    pub fn words(&self) -> String {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_string());
        format!("{}: {} → {}", self.symbol, shown(&self.left), shown(&self.right))
    }
}

impl Differences {
    /// The answer for a person, line by line; `all` names every consequence.
    pub fn rows(&self, all: bool) -> Vec<Row> {
        let mut rows = vec![Row::new(Weight::Head, 0, "", self.summary())];
        let mut depths: HashMap<&str, usize> = HashMap::new();
        for group in &self.groups {
            let above = group.under.as_deref().and_then(|under| depths.get(under));
            let depth = above.map_or(1, |depth| depth + 1);
            depths.insert(&group.cause.symbol, depth);
            let place = group.right_place.clone().or(group.left_place.clone()).unwrap_or_default();
            rows.push(Row::new(Weight::Fact, depth, place, group.cause.words()));
            list(&group.follows, depth + 1, all, &mut rows);
        }
        for (title, listed) in [
            ("these follow from several of the above together", &self.together),
            ("nothing above explains these", &self.rest),
        ] {
            if !listed.is_empty() {
                rows.push(Row::new(Weight::Head, 0, "", title));
                list(listed, 1, all, &mut rows);
            }
        }
        rows
    }

    fn summary(&self) -> String {
        let plural = |count: usize, one: &str, many: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        };
        if self.count == 0 {
            return "no difference".to_string();
        }
        let alone: usize = self.groups.iter().map(|group| group.follows.len()).sum();
        format!(
            "{}: {} a person can set, {} that follow",
            plural(self.count, "difference", "differences"),
            self.groups.len(),
            alone + self.together.len()
        )
    }
}

fn list(differences: &[Difference], depth: usize, all: bool, rows: &mut Vec<Row>) {
    // One left over is shown rather than counted.
    let shown = if all || differences.len() == NAMED + 1 { differences.len() } else { NAMED };
    for difference in differences.iter().take(shown) {
        rows.push(Row::new(Weight::Aside, depth, "", difference.words()));
    }
    if let Some(more) = differences.len().checked_sub(shown).filter(|&more| more > 0) {
        rows.push(Row::new(Weight::Aside, depth, "", format!("and {more} more")));
    }
}
