//! Formulas for the SAT solver: literals, gates, and values of three levels made of two literals.

use std::time::{Duration, Instant};

use rustsat::instances::{BasicVarManager, ManageVars};
use rustsat::solvers::{Solve, SolveIncremental, SolverResult};
use rustsat::types::{Clause, Lit, TernaryVal};
use rustsat_batsat::BasicSolver;

use kconfig::Tristate;

/// A value of n, m or y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// m or y
    pub some: Lit,
    /// y; implies `some`
    pub yes: Lit,
}

/// What the solver found.
#[derive(Debug)]
pub enum Verdict {
    /// All assumptions can hold.
    Possible,
    /// These assumptions cannot hold together.
    Conflict(Vec<Lit>),
    /// The time was over.
    Stopped,
}

/// A growing formula and its solver.
pub struct Circuit {
    pub solver: BasicSolver,
    pub variables: BasicVarManager,
    yes: Lit,
}

impl Circuit {
    /// An empty formula; the solver stops at `deadline`.
    pub fn new(deadline: Option<Instant>) -> Circuit {
        let mut solver = BasicSolver::default();
        if let Some(deadline) = deadline {
            solver.batsat_mut().cb_mut().set_stop(move || Instant::now() >= deadline);
        }
        let mut variables = BasicVarManager::default();
        let yes = variables.new_lit();
        let mut circuit = Circuit { solver, variables, yes };
        circuit.add_raw(&[yes]);
        circuit
    }

    /// The literal that is true.
    pub fn yes(&self) -> Lit {
        self.yes
    }

    /// The literal that is false.
    pub fn no(&self) -> Lit {
        !self.yes
    }

    /// A constant.
    pub fn constant(&self, value: bool) -> Lit {
        if value { self.yes } else { !self.yes }
    }

    /// A constant level.
    pub fn level(&self, value: Tristate) -> Level {
        Level { some: self.constant(value != Tristate::No), yes: self.constant(value == Tristate::Yes) }
    }

    /// A new variable's literal.
    pub fn fresh(&mut self) -> Lit {
        self.variables.new_lit()
    }

    /// A new value: n or y only, or any of the three.
    pub fn fresh_level(&mut self, boolean: bool) -> Level {
        let some = self.fresh();
        if boolean {
            return Level { some, yes: some };
        }
        let yes = self.fresh();
        self.add(&[!yes, some]);
        Level { some, yes }
    }

    fn add_raw(&mut self, literals: &[Lit]) {
        let clause: Clause = literals.iter().copied().collect();
        // BatSat's wrapper has no way to fail here; a lost clause would only make the answer less sharp, and answers are checked.
        let _ = self.solver.add_clause(clause);
    }

    /// Adds a clause.
    pub fn add(&mut self, literals: &[Lit]) {
        if literals.contains(&self.yes) {
            return;
        }
        let no = self.no();
        match literals.contains(&no) {
            true => {
                let rest: Vec<Lit> = literals.iter().copied().filter(|&literal| literal != no).collect();
                self.add_raw(&rest);
            }
            false => self.add_raw(literals),
        }
    }

    /// Makes two literals the same, where `guard` holds.
    pub fn tie(&mut self, guard: Lit, left: Lit, right: Lit) {
        self.add(&[!guard, !left, right]);
        self.add(&[!guard, left, !right]);
    }

    /// Makes two levels the same, where `guard` holds.
    pub fn tie_levels(&mut self, guard: Lit, left: Level, right: Level) {
        self.tie(guard, left.some, right.some);
        if (left.yes, right.yes) != (left.some, right.some) {
            self.tie(guard, left.yes, right.yes);
        }
    }

    /// All of them.
    pub fn all(&mut self, inputs: &[Lit]) -> Lit {
        let mut kept: Vec<Lit> = inputs.iter().copied().filter(|&input| input != self.yes).collect();
        kept.sort_unstable();
        kept.dedup();
        let contradiction = kept.windows(2).any(|pair| pair[0] == !pair[1]);
        if contradiction || kept.contains(&self.no()) {
            return self.no();
        }
        match kept[..] {
            [] => self.yes,
            [only] => only,
            _ => {
                let output = self.fresh();
                for &input in &kept {
                    self.add_raw(&[!output, input]);
                }
                kept.iter_mut().for_each(|literal| *literal = !*literal);
                kept.push(output);
                self.add_raw(&kept);
                output
            }
        }
    }

    /// Any of them.
    pub fn any(&mut self, inputs: &[Lit]) -> Lit {
        let inverted: Vec<Lit> = inputs.iter().map(|&input| !input).collect();
        !self.all(&inverted)
    }

    /// `left` where `condition` holds, else `right`.
    pub fn choose(&mut self, condition: Lit, left: Lit, right: Lit) -> Lit {
        if condition == self.yes || left == right {
            return left;
        }
        if condition == self.no() {
            return right;
        }
        if left == self.yes {
            return self.any(&[condition, right]);
        }
        if left == self.no() {
            return self.all(&[!condition, right]);
        }
        if right == self.yes {
            return self.any(&[!condition, left]);
        }
        if right == self.no() {
            return self.all(&[condition, left]);
        }
        let output = self.fresh();
        self.add_raw(&[!condition, !left, output]);
        self.add_raw(&[!condition, left, !output]);
        self.add_raw(&[condition, !right, output]);
        self.add_raw(&[condition, right, !output]);
        output
    }

    /// The least.
    pub fn least(&mut self, levels: &[Level]) -> Level {
        self.by_both(levels, Circuit::all)
    }

    /// The greatest.
    pub fn greatest(&mut self, levels: &[Level]) -> Level {
        self.by_both(levels, Circuit::any)
    }

    fn by_both(&mut self, levels: &[Level], gate: fn(&mut Circuit, &[Lit]) -> Lit) -> Level {
        let some: Vec<Lit> = levels.iter().map(|level| level.some).collect();
        let yes: Vec<Lit> = levels.iter().map(|level| level.yes).collect();
        let some_output = gate(self, &some);
        let yes_output = if some == yes { some_output } else { gate(self, &yes) };
        Level { some: some_output, yes: yes_output }
    }

    /// Kconfig's `!`.
    pub fn inverse(&self, level: Level) -> Level {
        Level { some: !level.yes, yes: !level.some }
    }

    /// `left` where `condition` holds, else `right`.
    pub fn choose_level(&mut self, condition: Lit, left: Level, right: Level) -> Level {
        let some = self.choose(condition, left.some, right.some);
        let same = left.some == left.yes && right.some == right.yes;
        let yes = if same { some } else { self.choose(condition, left.yes, right.yes) };
        Level { some, yes }
    }

    /// The literals of a level's n, m and y.
    pub fn split(&mut self, level: Level) -> [Lit; 3] {
        let module = if level.some == level.yes { self.no() } else { self.all(&[level.some, !level.yes]) };
        [!level.some, module, level.yes]
    }

    /// At most one of them.
    pub fn at_most_one(&mut self, literals: &[Lit]) {
        for (index, &first) in literals.iter().enumerate() {
            for &second in &literals[index + 1..] {
                self.add(&[!first, !second]);
            }
        }
    }

    /// Whether all assumptions can hold together.
    pub fn solve(&mut self, assumptions: &[Lit]) -> Verdict {
        if let Some(highest) = self.variables.max_var() {
            let _ = self.solver.reserve(highest);
        }
        match self.solver.solve_assumps(assumptions) {
            Ok(SolverResult::Sat) => Verdict::Possible,
            Ok(SolverResult::Unsat) => {
                let core = self.solver.core().unwrap_or_default();
                Verdict::Conflict(core.into_iter().map(|literal| !literal).collect())
            }
            Ok(SolverResult::Interrupted) | Err(_) => Verdict::Stopped,
        }
    }

    /// Whether a literal holds in the solution found last.
    pub fn holds(&self, literal: Lit) -> bool {
        matches!(self.solver.lit_val(literal), Ok(TernaryVal::True))
    }

    /// A level in the solution found last.
    pub fn value(&self, level: Level) -> Tristate {
        match (self.holds(level.some), self.holds(level.yes)) {
            (_, true) => Tristate::Yes,
            (true, false) => Tristate::Module,
            (false, false) => Tristate::No,
        }
    }
}

/// When `limit` from now is over.
pub fn deadline(limit: Option<Duration>) -> Option<Instant> {
    Instant::now().checked_add(limit?)
}
