//! Expressions over symbols, in one arena. Since 6.12 equal expressions are one node; before, each had nodes of its own that
//! were rewritten in place (kernel: scripts/kconfig/expr.c).

mod compare;
mod rewrite;
mod shared;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::model::{Model, NO, SymbolId, SymbolType, YES};

/// A node of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpressionId(pub(crate) u32);

/// What an expression is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A symbol or constant.
    Symbol(SymbolId),
    /// `!e`
    Not(ExpressionId),
    /// `a && b`
    And(ExpressionId, ExpressionId),
    /// `a || b`
    Or(ExpressionId, ExpressionId),
    /// `a = b`, `a < b`, …
    Compare(Comparison, SymbolId, SymbolId),
    /// `range a b`
    Range(SymbolId, SymbolId),
}

/// How two symbols are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::Unequal => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }

    /// Whether it holds between two values of this order.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::Unequal => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }

    /// What holds exactly when this does not.
    pub fn opposite(self) -> Comparison {
        match self {
            Comparison::Equal => Comparison::Unequal,
            Comparison::Unequal => Comparison::Equal,
            Comparison::Less => Comparison::GreaterOrEqual,
            Comparison::LessOrEqual => Comparison::Greater,
            Comparison::Greater => Comparison::LessOrEqual,
            Comparison::GreaterOrEqual => Comparison::Less,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    kind: Kind,
    left: u32,
    right: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
enum Kind {
    Or,
    And,
    Not,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Symbol,
    Range,
}

impl Kind {
    fn comparison(self) -> Option<Comparison> {
        Some(match self {
            Kind::Equal => Comparison::Equal,
            Kind::Unequal => Comparison::Unequal,
            Kind::Less => Comparison::Less,
            Kind::LessOrEqual => Comparison::LessOrEqual,
            Kind::Greater => Comparison::Greater,
            Kind::GreaterOrEqual => Comparison::GreaterOrEqual,
            _ => return None,
        })
    }
}

impl From<Comparison> for Kind {
    fn from(comparison: Comparison) -> Kind {
        match comparison {
            Comparison::Equal => Kind::Equal,
            Comparison::Unequal => Kind::Unequal,
            Comparison::Less => Kind::Less,
            Comparison::LessOrEqual => Kind::LessOrEqual,
            Comparison::Greater => Kind::Greater,
            Comparison::GreaterOrEqual => Kind::GreaterOrEqual,
        }
    }
}

/// A quick hash for nodes, which are three small numbers.
#[derive(Clone, Copy, Default)]
struct NodeHasher(u64);

impl Hasher for NodeHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(u32::from(byte)));
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u32(u32::from(number));
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u32(number as u32);
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(number)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

/// All expressions of a model.
#[derive(Clone, Debug)]
pub struct Expressions {
    nodes: Vec<Node>,
    known: Option<HashMap<Node, ExpressionId, BuildHasherDefault<NodeHasher>>>,
    /// How many simplifications the pass under way has made (`trans_count` of expr.c).
    changes: usize,
    /// Complaints about bools that are compared with m, for standard output.
    pub(crate) forced: Vec<(SymbolId, &'static str)>,
}

impl Expressions {
    pub(crate) fn new(shared: bool) -> Expressions {
        Expressions {
            nodes: Vec::new(),
            known: shared.then(HashMap::default),
            changes: 0,
            forced: Vec::new(),
        }
    }

    /// How many nodes there are.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes, each once.
    pub fn all(&self) -> impl Iterator<Item = Expression> {
        (0..self.nodes.len() as u32).map(|index| self.get(ExpressionId(index)))
    }

    /// Whether equal expressions are one node.
    pub(crate) fn are_shared(&self) -> bool {
        self.known.is_some()
    }

    /// The look-up of equal nodes is of no use once a model is complete.
    pub(crate) fn seal(&mut self) {
        if let Some(known) = &mut self.known {
            *known = HashMap::default();
        }
        self.nodes.shrink_to_fit();
    }

    fn node(&self, id: ExpressionId) -> Node {
        self.nodes[id.0 as usize]
    }

    /// What a node is.
    pub fn get(&self, id: ExpressionId) -> Expression {
        let node = self.node(id);
        let (left, right) = (ExpressionId(node.left), ExpressionId(node.right));
        match node.kind {
            Kind::Or => Expression::Or(left, right),
            Kind::And => Expression::And(left, right),
            Kind::Not => Expression::Not(left),
            Kind::Symbol => Expression::Symbol(SymbolId(node.left)),
            Kind::Range => Expression::Range(SymbolId(node.left), SymbolId(node.right)),
            kind => {
                let comparison = kind.comparison().unwrap_or(Comparison::Equal);
                Expression::Compare(comparison, SymbolId(node.left), SymbolId(node.right))
            }
        }
    }

    fn make(&mut self, kind: Kind, left: u32, right: u32) -> ExpressionId {
        let node = Node { kind, left, right };
        let next = ExpressionId(self.nodes.len() as u32);
        if let Some(known) = &mut self.known {
            let found = *known.entry(node).or_insert(next);
            if found != next {
                return found;
            }
        }
        self.nodes.push(node);
        next
    }

    pub(crate) fn symbol(&mut self, symbol: SymbolId) -> ExpressionId {
        self.make(Kind::Symbol, symbol.0, 0)
    }

    pub(crate) fn not(&mut self, inner: ExpressionId) -> ExpressionId {
        self.make(Kind::Not, inner.0, 0)
    }

    pub(crate) fn and(&mut self, left: ExpressionId, right: ExpressionId) -> ExpressionId {
        self.make(Kind::And, left.0, right.0)
    }

    pub(crate) fn or(&mut self, left: ExpressionId, right: ExpressionId) -> ExpressionId {
        self.make(Kind::Or, left.0, right.0)
    }

    pub(crate) fn compare(&mut self, sign: Comparison, left: SymbolId, right: SymbolId) -> ExpressionId {
        self.make(sign.into(), left.0, right.0)
    }

    pub(crate) fn range(&mut self, left: SymbolId, right: SymbolId) -> ExpressionId {
        self.make(Kind::Range, left.0, right.0)
    }

    /// `&&` where none means y (`expr_alloc_and()`).
    pub(crate) fn and_maybe(
        &mut self,
        left: Option<ExpressionId>,
        right: Option<ExpressionId>,
    ) -> Option<ExpressionId> {
        match (left, right) {
            (Some(left), Some(right)) => Some(self.and(left, right)),
            (left, right) => left.or(right),
        }
    }

    /// `||` where none stands for nothing yet (`expr_alloc_or()`).
    pub(crate) fn or_maybe(
        &mut self,
        left: Option<ExpressionId>,
        right: Option<ExpressionId>,
    ) -> Option<ExpressionId> {
        match (left, right) {
            (Some(left), Some(right)) => Some(self.or(left, right)),
            (left, right) => left.or(right),
        }
    }

    /// A copy to be rewritten in place; the same node where nodes are shared (`expr_copy()`).
    pub(crate) fn copy(&mut self, id: ExpressionId) -> ExpressionId {
        if self.are_shared() {
            return id;
        }
        let node = self.node(id);
        match node.kind {
            Kind::And | Kind::Or => {
                let left = self.copy(ExpressionId(node.left));
                let right = self.copy(ExpressionId(node.right));
                self.make(node.kind, left.0, right.0)
            }
            Kind::Not => {
                let inner = self.copy(ExpressionId(node.left));
                self.not(inner)
            }
            _ => self.make(node.kind, node.left, node.right),
        }
    }

    /// Whether it is y or nothing (`expr_is_yes()`).
    pub(crate) fn is_yes(&self, id: Option<ExpressionId>) -> bool {
        id.is_none_or(|id| self.is_constant(id, YES))
    }

    fn is_constant(&self, id: ExpressionId, constant: SymbolId) -> bool {
        let node = self.node(id);
        node.kind == Kind::Symbol && node.left == constant.0
    }

    /// 'm' becomes 'm' && MODULES (`rewrite_m()` of menu.c).
    pub(crate) fn rewrite_module(
        &mut self,
        id: Option<ExpressionId>,
        modules: SymbolId,
    ) -> Option<ExpressionId> {
        let id = id?;
        let node = self.node(id);
        match node.kind {
            Kind::Not => {
                let inner = self.rewrite_module(Some(ExpressionId(node.left)), modules)?;
                Some(self.replace(id, Kind::Not, inner.0, 0))
            }
            Kind::And | Kind::Or => {
                let left = self.rewrite_module(Some(ExpressionId(node.left)), modules)?;
                let right = self.rewrite_module(Some(ExpressionId(node.right)), modules)?;
                Some(self.replace(id, node.kind, left.0, right.0))
            }
            Kind::Symbol if node.left == crate::model::MODULE.0 => {
                let modules = self.symbol(modules);
                Some(self.and(id, modules))
            }
            _ => Some(id),
        }
    }

    /// The node with other contents: in place, or the one node with these contents.
    fn replace(&mut self, id: ExpressionId, kind: Kind, left: u32, right: u32) -> ExpressionId {
        if self.are_shared() {
            return self.make(kind, left, right);
        }
        self.nodes[id.0 as usize] = Node { kind, left, right };
        id
    }

    /// Removes duplicate and redundant operands (`expr_eliminate_dups()`).
    pub(crate) fn eliminate_duplicates(
        &mut self,
        id: Option<ExpressionId>,
        types: &Types,
    ) -> Option<ExpressionId> {
        let id = id?;
        Some(match self.are_shared() {
            true => self.eliminate_duplicates_shared(id, types),
            false => self.eliminate_duplicates_in_place(id, types),
        })
    }

    /// Brings comparisons and negations into their simplest form (`expr_transform()`).
    pub(crate) fn transform(&mut self, id: Option<ExpressionId>, types: &Types) -> Option<ExpressionId> {
        let id = id?;
        Some(match self.are_shared() {
            true => self.transform_shared(id, types),
            false => self.transform_in_place(id, types),
        })
    }

    /// Removes what both have in common (`expr_eliminate_eq()`).
    pub(crate) fn eliminate_equal(&mut self, left: &mut ExpressionId, right: &mut ExpressionId) {
        match self.are_shared() {
            true => self.eliminate_equal_shared(left, right),
            false => self.eliminate_equal_in_place(left, right),
        }
    }

    /// Whether two are the same after small simplifications (`expr_eq()`).
    pub(crate) fn same(&mut self, left: Option<ExpressionId>, right: Option<ExpressionId>) -> bool {
        match (left, right) {
            (Some(left), Some(right)) => self.equal(left, right),
            (left, right) => self.is_yes(left) && self.is_yes(right),
        }
    }

    fn equal(&mut self, left: ExpressionId, right: ExpressionId) -> bool {
        let (first, second) = (self.node(left), self.node(right));
        if first.kind != second.kind {
            return false;
        }
        match first.kind {
            Kind::Symbol => first.left == second.left,
            Kind::Not => self.equal(ExpressionId(first.left), ExpressionId(second.left)),
            Kind::And | Kind::Or => {
                let (mut left, mut right) = (self.copy(left), self.copy(right));
                let changes = self.changes;
                self.eliminate_equal(&mut left, &mut right);
                self.changes = changes;
                let (first, second) = (self.node(left), self.node(right));
                first.kind == Kind::Symbol && second.kind == Kind::Symbol && first.left == second.left
            }
            Kind::Range => false,
            _ => first.left == second.left && first.right == second.right,
        }
    }

    /// Whether the symbol occurs in it (`expr_contains_symbol()`).
    pub(crate) fn contains(&self, id: Option<ExpressionId>, symbol: SymbolId) -> bool {
        let Some(id) = id else { return false };
        match self.get(id) {
            Expression::And(left, right) | Expression::Or(left, right) => {
                self.contains(Some(left), symbol) || self.contains(Some(right), symbol)
            }
            Expression::Not(inner) => self.contains(Some(inner), symbol),
            Expression::Symbol(found) => found == symbol,
            Expression::Compare(_, left, right) => left == symbol || right == symbol,
            Expression::Range(..) => false,
        }
    }

    /// Whether it cannot hold without the symbol (`expr_depends_symbol()`).
    pub(crate) fn depends_on(&self, id: Option<ExpressionId>, symbol: SymbolId) -> bool {
        let Some(id) = id else { return false };
        match self.get(id) {
            Expression::And(left, right) => {
                self.depends_on(Some(left), symbol) || self.depends_on(Some(right), symbol)
            }
            Expression::Symbol(found) => found == symbol,
            Expression::Compare(Comparison::Equal, left, right) => {
                left == symbol && (right == YES || right == crate::model::MODULE)
            }
            Expression::Compare(Comparison::Unequal, left, right) => left == symbol && right == NO,
            _ => false,
        }
    }

    /// The operands of the outermost `||`, from left to right; the expression itself if there is none.
    pub fn terms(&self, id: Option<ExpressionId>) -> Vec<ExpressionId> {
        let mut terms = Vec::new();
        let mut left: Vec<ExpressionId> = id.into_iter().collect();
        while let Some(id) = left.pop() {
            match self.get(id) {
                Expression::Or(first, second) => left.extend([second, first]),
                _ => terms.push(id),
            }
        }
        terms
    }

    /// The operands of the outermost `&&`, from left to right; the expression itself if there is none.
    pub fn factors(&self, id: Option<ExpressionId>) -> Vec<ExpressionId> {
        let mut factors = Vec::new();
        let mut left: Vec<ExpressionId> = id.into_iter().collect();
        while let Some(id) = left.pop() {
            match self.get(id) {
                Expression::And(first, second) => left.extend([second, first]),
                _ => factors.push(id),
            }
        }
        factors
    }

    /// All symbols in it, in order, with repetitions.
    pub fn symbols_in(&self, id: ExpressionId, found: &mut Vec<SymbolId>) {
        match self.get(id) {
            Expression::And(left, right) | Expression::Or(left, right) => {
                self.symbols_in(left, found);
                self.symbols_in(right, found);
            }
            Expression::Not(inner) => self.symbols_in(inner, found),
            Expression::Symbol(symbol) => found.push(symbol),
            Expression::Compare(_, left, right) | Expression::Range(left, right) => {
                found.extend([left, right])
            }
        }
    }
}

/// The types that simplification looks at.
pub(crate) struct Types<'a> {
    pub symbols: &'a [crate::model::Symbol],
}

impl Types<'_> {
    fn kind(&self, symbol: u32) -> SymbolType {
        self.symbols[symbol as usize].kind
    }

    fn constant(&self, symbol: u32) -> bool {
        self.symbols[symbol as usize].constant
    }
}

/// One piece of a printed expression: text, and the symbol it names if it names one.
type Piece<'a> = (&'a str, Option<SymbolId>);

impl Model {
    /// An expression as the C tool prints it (`expr_print()`); each symbol goes through `name`.
    pub(crate) fn print(&self, id: Option<ExpressionId>, piece: &mut dyn FnMut(Piece<'_>)) {
        match id {
            Some(id) => self.print_inside(id, None, piece),
            None => piece(("y", None)),
        }
    }

    /// An expression as it would be written.
    pub fn show(&self, id: Option<ExpressionId>) -> String {
        let mut text = String::new();
        self.print(id, &mut |(part, _)| text.push_str(part));
        text
    }

    fn print_symbol(&self, symbol: SymbolId, piece: &mut dyn FnMut(Piece<'_>)) {
        match &self.symbol(symbol).name {
            Some(name) => piece((name, Some(symbol))),
            None => piece(("<choice>", None)),
        }
    }

    fn print_inside(&self, id: ExpressionId, around: Option<Kind>, piece: &mut dyn FnMut(Piece<'_>)) {
        let kind = self.expressions.node(id).kind;
        let parentheses = around.is_some_and(|around| binds_tighter(around, kind));
        if parentheses {
            piece(("(", None));
        }
        match self.expressions.get(id) {
            Expression::Symbol(symbol) => self.print_symbol(symbol, piece),
            Expression::Not(inner) => {
                piece(("!", None));
                self.print_inside(inner, Some(kind), piece);
            }
            Expression::And(left, right) | Expression::Or(left, right) => {
                self.print_inside(left, Some(kind), piece);
                piece((if kind == Kind::And { " && " } else { " || " }, None));
                self.print_inside(right, Some(kind), piece);
            }
            Expression::Compare(sign, left, right) => {
                self.print_symbol(left, piece);
                piece((sign.sign(), None));
                piece((self.name(right), Some(right)));
            }
            Expression::Range(left, right) => {
                piece(("[", None));
                piece((self.name(left), Some(left)));
                piece((" ", None));
                piece((self.name(right), Some(right)));
                piece(("]", None));
            }
        }
        if parentheses {
            piece((")", None));
        }
    }
}

/// Whether `inner` needs parentheses inside `around` (`expr_compare_type()`).
fn binds_tighter(around: Kind, inner: Kind) -> bool {
    let rank = |kind: Kind| match kind {
        Kind::Less | Kind::LessOrEqual | Kind::Greater | Kind::GreaterOrEqual => 5,
        Kind::Equal | Kind::Unequal => 4,
        Kind::Not => 3,
        Kind::And => 2,
        Kind::Or => 1,
        Kind::Symbol | Kind::Range => 0,
    };
    let (around, inner) = (rank(around), rank(inner));
    inner != 0 && inner <= 4 && around > inner
}
