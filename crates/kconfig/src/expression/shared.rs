//! Simplification where equal expressions are one node: nothing is rewritten, new nodes are made (6.12 and later).

use super::{Comparison, ExpressionId, Expressions, Kind, Types};
use crate::model::{MODULE, NO, YES};

impl Expressions {
    pub(super) fn eliminate_equal_shared(&mut self, left: &mut ExpressionId, right: &mut ExpressionId) {
        let kind = self.node(*left).kind;
        if matches!(kind, Kind::And | Kind::Or) {
            self.eliminate_equal_leaves(kind, left, right);
        }
        let kind = self.node(*right).kind;
        if self.node(*left).kind != kind && matches!(kind, Kind::And | Kind::Or) {
            self.eliminate_equal_leaves(kind, left, right);
        }
        *left = self.eliminate_constants(*left);
        *right = self.eliminate_constants(*right);
    }

    fn eliminate_equal_leaves(&mut self, kind: Kind, left: &mut ExpressionId, right: &mut ExpressionId) {
        let (first, second) = (self.node(*left), self.node(*right));
        if first.kind == kind {
            let (mut inner, mut outer) = (ExpressionId(first.left), ExpressionId(first.right));
            self.eliminate_equal_leaves(kind, &mut inner, right);
            self.eliminate_equal_leaves(kind, &mut outer, right);
            *left = self.make(kind, inner.0, outer.0);
            return;
        }
        if second.kind == kind {
            let (mut inner, mut outer) = (ExpressionId(second.left), ExpressionId(second.right));
            self.eliminate_equal_leaves(kind, left, &mut inner);
            self.eliminate_equal_leaves(kind, left, &mut outer);
            *right = self.make(kind, inner.0, outer.0);
            return;
        }
        if first.kind == Kind::Symbol && first == second && (first.left == YES.0 || first.left == NO.0) {
            return;
        }
        if !self.equal(*left, *right) {
            return;
        }
        self.changes += 1;
        let neutral = self.symbol(if kind == Kind::Or { NO } else { YES });
        (*left, *right) = (neutral, neutral);
    }

    /// `e && n`, `e && y`, `e || n`, `e || y` (`expr_eliminate_yn()`). Like the C tool's, it gives the node itself back when its
    /// operands are no constants, even if something inside them could go.
    fn eliminate_constants(&mut self, id: ExpressionId) -> ExpressionId {
        let node = self.node(id);
        if !matches!(node.kind, Kind::And | Kind::Or) {
            return id;
        }
        let left = self.eliminate_constants(ExpressionId(node.left));
        let right = self.eliminate_constants(ExpressionId(node.right));
        let (neutral, absorbing) = if node.kind == Kind::And { (YES, NO) } else { (NO, YES) };
        if self.is_constant(left, absorbing)
            || self.is_constant(right, neutral) && !self.is_constant(left, neutral)
        {
            left
        } else if self.is_constant(left, neutral) || self.is_constant(right, absorbing) {
            right
        } else {
            id
        }
    }

    pub(super) fn eliminate_duplicates_shared(&mut self, id: ExpressionId, types: &Types) -> ExpressionId {
        let mut id = id;
        let before = self.changes;
        loop {
            self.changes = 0;
            let node = self.node(id);
            if matches!(node.kind, Kind::And | Kind::Or) {
                let mut left = self.eliminate_duplicates_shared(ExpressionId(node.left), types);
                let mut right = self.eliminate_duplicates_shared(ExpressionId(node.right), types);
                self.eliminate_duplicate_leaves(node.kind, &mut left, &mut right, types);
                id = self.make(node.kind, left.0, right.0);
            }
            id = self.eliminate_constants(id);
            if self.changes == 0 {
                break;
            }
        }
        self.changes = before;
        id
    }

    fn eliminate_duplicate_leaves(
        &mut self,
        kind: Kind,
        left: &mut ExpressionId,
        right: &mut ExpressionId,
        types: &Types,
    ) {
        let (first, second) = (self.node(*left), self.node(*right));
        if first.kind == kind {
            let (mut inner, mut outer) = (ExpressionId(first.left), ExpressionId(first.right));
            self.eliminate_duplicate_leaves(kind, &mut inner, right, types);
            self.eliminate_duplicate_leaves(kind, &mut outer, right, types);
            *left = self.make(kind, inner.0, outer.0);
            return;
        }
        if second.kind == kind {
            let (mut inner, mut outer) = (ExpressionId(second.left), ExpressionId(second.right));
            self.eliminate_duplicate_leaves(kind, left, &mut inner, types);
            self.eliminate_duplicate_leaves(kind, left, &mut outer, types);
            *right = self.make(kind, inner.0, outer.0);
            return;
        }
        if let Some(joined) = self.join(kind, *left, *right, types) {
            *left = self.symbol(if kind == Kind::Or { NO } else { YES });
            *right = joined;
            self.changes += 1;
        }
    }

    pub(super) fn transform_shared(&mut self, id: ExpressionId, types: &Types) -> ExpressionId {
        let mut id = id;
        let node = self.node(id);
        match node.kind {
            Kind::And | Kind::Or => {
                let left = self.transform_shared(ExpressionId(node.left), types);
                let right = self.transform_shared(ExpressionId(node.right), types);
                id = self.make(node.kind, left.0, right.0);
            }
            Kind::Not => {
                let inner = self.transform_shared(ExpressionId(node.left), types);
                id = self.not(inner);
            }
            _ => {}
        }
        let node = self.node(id);
        match node.kind {
            Kind::Equal | Kind::Unequal => self.transform_comparison(id, types),
            Kind::Not => self.transform_negation(id, types),
            _ => id,
        }
    }

    fn transform_negation(&mut self, id: ExpressionId, types: &Types) -> ExpressionId {
        let inner = self.node(ExpressionId(self.node(id).left));
        match inner.kind {
            Kind::Not => ExpressionId(inner.left),
            Kind::Or | Kind::And => {
                let left = self.not(ExpressionId(inner.left));
                let right = self.not(ExpressionId(inner.right));
                let kind = if inner.kind == Kind::Or { Kind::And } else { Kind::Or };
                let turned = self.make(kind, left.0, right.0);
                self.transform_shared(turned, types)
            }
            Kind::Symbol if inner.left == YES.0 => self.symbol(NO),
            Kind::Symbol if inner.left == MODULE.0 => self.symbol(MODULE),
            Kind::Symbol if inner.left == NO.0 => self.symbol(YES),
            kind => match kind.comparison() {
                Some(sign) => self.make(Comparison::opposite(sign).into(), inner.left, inner.right),
                None => id,
            },
        }
    }
}
