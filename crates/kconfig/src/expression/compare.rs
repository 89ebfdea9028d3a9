//! Joining two operands into one, and comparisons with constants: the same in all series.

use super::{Comparison, ExpressionId, Expressions, Kind, Node, Types};
use crate::model::{MODULE, NO, SymbolId, SymbolType, YES};

impl Expressions {
    /// The one expression that `left` and `right` come to under `&&` or `||`, if there is one (`expr_join_and()`,
    /// `expr_join_or()`).
    pub(super) fn join(
        &mut self,
        kind: Kind,
        left: ExpressionId,
        right: ExpressionId,
        types: &Types,
    ) -> Option<ExpressionId> {
        if self.equal(left, right) {
            return Some(self.copy(left));
        }
        let (first, second) = (self.node(left), self.node(right));
        let symbol = self.joinable_symbol(first, true)?;
        if symbol != self.joinable_symbol(second, false)? {
            return None;
        }
        match (kind, types.kind(symbol)) {
            (Kind::Or, kind @ (SymbolType::Boolean | SymbolType::Tristate)) => {
                self.join_or(first, second, symbol, kind)
            }
            (Kind::And, kind @ (SymbolType::Boolean | SymbolType::Tristate)) => {
                self.join_and(first, second, symbol, kind, types)
            }
            _ => None,
        }
    }

    /// The symbol an operand is about, if it is of a form that can be joined.
    fn joinable_symbol(&self, node: Node, first: bool) -> Option<u32> {
        match node.kind {
            Kind::Equal | Kind::Unequal | Kind::Symbol => Some(node.left),
            Kind::Not => {
                let inner = self.node(ExpressionId(node.left));
                match inner.kind {
                    Kind::Symbol => Some(inner.left),
                    Kind::Equal | Kind::Unequal if first => Some(inner.left),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn join_or(&mut self, first: Node, second: Node, symbol: u32, kind: SymbolType) -> Option<ExpressionId> {
        if kind == SymbolType::Tristate && first.kind == Kind::Equal && second.kind == Kind::Equal {
            // Two of the three values: all but the third.
            return third(first.right, second.right)
                .map(|third| self.compare(Comparison::Unequal, SymbolId(symbol), third));
        }
        let opposite = |one: Node, other: Node| {
            one.kind == Kind::Not
                && other.kind == Kind::Symbol
                && self.node(ExpressionId(one.left)).kind == Kind::Symbol
        };
        if kind == SymbolType::Boolean && (opposite(first, second) || opposite(second, first)) {
            return Some(self.symbol(YES));
        }
        None
    }

    fn join_and(
        &mut self,
        first: Node,
        second: Node,
        symbol: u32,
        kind: SymbolType,
        types: &Types,
    ) -> Option<ExpressionId> {
        let symbol_and = |sign: Kind, constant: SymbolId| {
            let fits = |one: Node, other: Node| {
                one.kind == Kind::Symbol && other.kind == sign && other.right == constant.0
            };
            fits(first, second) || fits(second, first)
        };
        if symbol_and(Kind::Equal, YES) {
            return Some(self.compare(Comparison::Equal, SymbolId(symbol), YES));
        }
        if symbol_and(Kind::Unequal, NO) {
            return Some(self.symbol(SymbolId(symbol)));
        }
        if symbol_and(Kind::Unequal, MODULE) {
            return Some(self.compare(Comparison::Equal, SymbolId(symbol), YES));
        }
        if kind != SymbolType::Tristate {
            return None;
        }
        let equal_and_unequal = match (first.kind, second.kind) {
            (Kind::Equal, Kind::Unequal) => Some((first.right, second.right)),
            (Kind::Unequal, Kind::Equal) => Some((second.right, first.right)),
            _ => None,
        };
        if let Some((is, is_not)) = equal_and_unequal
            && types.constant(is)
            && types.constant(is_not)
        {
            return Some(match is != is_not {
                true => self.compare(Comparison::Equal, SymbolId(symbol), SymbolId(is)),
                false => self.symbol(NO),
            });
        }
        if first.kind == Kind::Unequal && second.kind == Kind::Unequal {
            return third(first.right, second.right)
                .map(|third| self.compare(Comparison::Equal, SymbolId(symbol), third));
        }
        None
    }

    /// A bool compared with a constant (`expr_transform()`).
    pub(super) fn transform_comparison(&mut self, id: ExpressionId, types: &Types) -> ExpressionId {
        let node = self.node(id);
        if types.kind(node.left) != SymbolType::Boolean {
            return id;
        }
        let equal = node.kind == Kind::Equal;
        let symbol = SymbolId(node.left);
        if node.right == MODULE.0 {
            self.forced.push((symbol, if equal { "n" } else { "y" }));
            let constant = if equal { NO } else { YES };
            return self.replace(id, Kind::Symbol, constant.0, 0);
        }
        if node.right != YES.0 && node.right != NO.0 {
            return id;
        }
        if equal == (node.right == YES.0) {
            return self.replace(id, Kind::Symbol, symbol.0, 0);
        }
        let inner = self.symbol(symbol);
        self.replace(id, Kind::Not, inner.0, 0)
    }

    /// Comparisons of `sign` (= or !=) with the constant put on each symbol (`expr_trans_compare()`).
    pub(crate) fn compare_all(
        &mut self,
        id: Option<ExpressionId>,
        sign: Comparison,
        constant: SymbolId,
    ) -> ExpressionId {
        let negate = |this: &mut Self, id| if sign == Comparison::Unequal { this.not(id) } else { id };
        let Some(id) = id else {
            let id = self.symbol(constant);
            return negate(self, id);
        };
        let node = self.node(id);
        match node.kind {
            Kind::And | Kind::Or => {
                let left = self.compare_all(Some(ExpressionId(node.left)), Comparison::Equal, constant);
                let right = self.compare_all(Some(ExpressionId(node.right)), Comparison::Equal, constant);
                let as_it_is = (node.kind == Kind::And) == (constant == YES);
                let joined = if as_it_is { self.and(left, right) } else { self.or(left, right) };
                negate(self, joined)
            }
            Kind::Not => self.compare_all(Some(ExpressionId(node.left)), sign.opposite(), constant),
            Kind::Symbol => self.compare(sign, SymbolId(node.left), constant),
            Kind::Range => id,
            _ => {
                let copy = self.copy(id);
                match (sign == Comparison::Equal) == (constant == YES) {
                    true => copy,
                    false => self.not(copy),
                }
            }
        }
    }
}

/// Of y, m and n the one that is neither of two different ones.
fn third(one: u32, other: u32) -> Option<SymbolId> {
    let all = [YES.0, MODULE.0, NO.0];
    let both_known = one != other && all.contains(&one) && all.contains(&other);
    both_known.then(|| all.into_iter().find(|&it| it != one && it != other).map(SymbolId)).flatten()
}
