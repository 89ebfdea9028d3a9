//! Simplification where every use has nodes of its own, which are rewritten in place (before 6.12). The results differ in form
//! from those of the later code, and the form decides messages and automatic submenus.

use super::{Comparison, ExpressionId, Expressions, Kind, Node, Types};
use crate::model::{MODULE, NO, YES};

/// Where a node hangs: it can be changed there for another one.
#[derive(Clone, Copy)]
enum Slot {
    Root(usize),
    Left(ExpressionId),
    Right(ExpressionId),
}

type Roots = [ExpressionId; 2];

impl Expressions {
    fn at(&self, slot: Slot, roots: &Roots) -> ExpressionId {
        match slot {
            Slot::Root(index) => roots[index],
            Slot::Left(id) => ExpressionId(self.node(id).left),
            Slot::Right(id) => ExpressionId(self.node(id).right),
        }
    }

    fn put(&mut self, slot: Slot, roots: &mut Roots, new: ExpressionId) {
        match slot {
            Slot::Root(index) => roots[index] = new,
            Slot::Left(id) => self.nodes[id.0 as usize].left = new.0,
            Slot::Right(id) => self.nodes[id.0 as usize].right = new.0,
        }
    }

    pub(super) fn eliminate_equal_in_place(&mut self, left: &mut ExpressionId, right: &mut ExpressionId) {
        let mut roots = [*left, *right];
        let (first, second) = (Slot::Root(0), Slot::Root(1));
        let kind = self.node(roots[0]).kind;
        if matches!(kind, Kind::And | Kind::Or) {
            self.equal_leaves_in_place(kind, first, second, &mut roots);
        }
        let kind = self.node(roots[1]).kind;
        if self.node(roots[0]).kind != kind && matches!(kind, Kind::And | Kind::Or) {
            self.equal_leaves_in_place(kind, first, second, &mut roots);
        }
        roots.iter().for_each(|&root| self.constants_in_place(root));
        [*left, *right] = roots;
    }

    fn equal_leaves_in_place(&mut self, kind: Kind, first: Slot, second: Slot, roots: &mut Roots) {
        let left = self.at(first, roots);
        if self.node(left).kind == kind {
            self.equal_leaves_in_place(kind, Slot::Left(left), second, roots);
            self.equal_leaves_in_place(kind, Slot::Right(left), second, roots);
            return;
        }
        let right = self.at(second, roots);
        if self.node(right).kind == kind {
            self.equal_leaves_in_place(kind, first, Slot::Left(right), roots);
            self.equal_leaves_in_place(kind, first, Slot::Right(right), roots);
            return;
        }
        let (one, other) = (self.node(left), self.node(right));
        let same_constant =
            one.kind == Kind::Symbol && one == other && (one.left == YES.0 || one.left == NO.0);
        if same_constant || !self.equal(left, right) {
            return;
        }
        self.changes += 1;
        for slot in [first, second] {
            let neutral = self.symbol(if kind == Kind::Or { NO } else { YES });
            self.put(slot, roots, neutral);
        }
    }

    /// `expr_eliminate_yn()`: the node keeps its place and takes over what is left.
    fn constants_in_place(&mut self, id: ExpressionId) {
        let node = self.node(id);
        if !matches!(node.kind, Kind::And | Kind::Or) {
            return;
        }
        let (left, right) = (ExpressionId(node.left), ExpressionId(node.right));
        self.constants_in_place(left);
        self.constants_in_place(right);
        let (neutral, absorbing) = if node.kind == Kind::And { (YES, NO) } else { (NO, YES) };
        let absorbed = Node { kind: Kind::Symbol, left: absorbing.0, right: 0 };
        self.nodes[id.0 as usize] = if self.is_constant(left, absorbing) {
            absorbed
        } else if self.is_constant(left, neutral) {
            self.node(right)
        } else if self.is_constant(right, absorbing) {
            absorbed
        } else if self.is_constant(right, neutral) {
            self.node(left)
        } else {
            node
        };
    }

    pub(super) fn eliminate_duplicates_in_place(&mut self, id: ExpressionId, types: &Types) -> ExpressionId {
        let before = self.changes;
        let mut roots = [id, id];
        loop {
            self.changes = 0;
            let kind = self.node(roots[0]).kind;
            if matches!(kind, Kind::And | Kind::Or) {
                // One and the same place twice: each operand meets every other.
                self.duplicate_leaves_in_place(kind, Slot::Root(0), Slot::Root(0), &mut roots, types);
            }
            if self.changes == 0 {
                break;
            }
            self.constants_in_place(roots[0]);
        }
        self.changes = before;
        roots[0]
    }

    fn duplicate_leaves_in_place(
        &mut self,
        kind: Kind,
        first: Slot,
        second: Slot,
        roots: &mut Roots,
        types: &Types,
    ) {
        let left = self.at(first, roots);
        if self.node(left).kind == kind {
            self.duplicate_leaves_in_place(kind, Slot::Left(left), second, roots, types);
            self.duplicate_leaves_in_place(kind, Slot::Right(left), second, roots, types);
            return;
        }
        let right = self.at(second, roots);
        if self.node(right).kind == kind {
            self.duplicate_leaves_in_place(kind, first, Slot::Left(right), roots, types);
            self.duplicate_leaves_in_place(kind, first, Slot::Right(right), roots, types);
            return;
        }
        if left == right {
            return;
        }
        let inner = self.node(left).kind;
        if matches!(inner, Kind::And | Kind::Or) {
            self.duplicate_leaves_in_place(inner, first, first, roots, types);
        }
        let (left, right) = (self.at(first, roots), self.at(second, roots));
        if let Some(joined) = self.join(kind, left, right, types) {
            let neutral = self.symbol(if kind == Kind::Or { NO } else { YES });
            self.put(first, roots, neutral);
            self.put(second, roots, joined);
            self.changes += 1;
        }
    }

    pub(super) fn transform_in_place(&mut self, id: ExpressionId, types: &Types) -> ExpressionId {
        let node = self.node(id);
        match node.kind {
            Kind::And | Kind::Or => {
                let left = self.transform_in_place(ExpressionId(node.left), types);
                let right = self.transform_in_place(ExpressionId(node.right), types);
                self.replace(id, node.kind, left.0, right.0)
            }
            Kind::Not => {
                let inner = self.transform_in_place(ExpressionId(node.left), types);
                self.replace(id, Kind::Not, inner.0, 0);
                self.negation_in_place(id, types)
            }
            Kind::Equal | Kind::Unequal => self.transform_comparison(id, types),
            _ => id,
        }
    }

    fn negation_in_place(&mut self, id: ExpressionId, types: &Types) -> ExpressionId {
        let inner_id = ExpressionId(self.node(id).left);
        let inner = self.node(inner_id);
        let constant = |this: &mut Self, symbol: crate::model::SymbolId| {
            this.replace(inner_id, Kind::Symbol, symbol.0, 0)
        };
        match inner.kind {
            Kind::Not => self.transform_in_place(ExpressionId(inner.left), types),
            Kind::Or | Kind::And => {
                let right = self.not(ExpressionId(inner.right));
                self.replace(inner_id, Kind::Not, inner.left, 0);
                let kind = if inner.kind == Kind::Or { Kind::And } else { Kind::Or };
                self.replace(id, kind, inner_id.0, right.0);
                self.transform_in_place(id, types)
            }
            Kind::Symbol if inner.left == YES.0 => constant(self, NO),
            Kind::Symbol if inner.left == MODULE.0 => constant(self, MODULE),
            Kind::Symbol if inner.left == NO.0 => constant(self, YES),
            kind => match kind.comparison() {
                Some(sign) => {
                    self.replace(inner_id, Comparison::opposite(sign).into(), inner.left, inner.right)
                }
                None => id,
            },
        }
    }
}
