//! The C preprocessor, as far as tables of devices go: macros with and without parameters, `##`, and constants.

use std::collections::HashMap;
use std::rc::Rc;

use super::token::{self, Macro, Token};

/// Deeper than any macro of a device table stands for another.
const DEEPEST: usize = 24;
/// More pieces than any table has, so that macros that grow by themselves come to an end.
const MOST: usize = 1 << 20;

/// The macros known at some place: the file's own before the tree's common ones.
#[derive(Debug, Default)]
pub(super) struct Macros<'c> {
    own: HashMap<Rc<str>, Macro>,
    common: Option<&'c Macros<'c>>,
}

impl<'c> Macros<'c> {
    pub fn above(common: Option<&'c Macros<'c>>) -> Macros<'c> {
        Macros { own: HashMap::new(), common }
    }

    pub fn define(&mut self, name: Rc<str>, definition: Macro) {
        self.own.insert(name, definition);
    }

    fn get(&self, name: &str) -> Option<&Macro> {
        self.own.get(name).or_else(|| self.common.and_then(|common| common.get(name)))
    }

    /// The pieces with all macros replaced.
    pub fn expand(&self, tokens: &[Token]) -> Vec<Token> {
        let mut out = Vec::new();
        self.expand_into(tokens, &mut Vec::new(), &mut out);
        out
    }

    fn expand_into(&self, tokens: &[Token], under_way: &mut Vec<Rc<str>>, out: &mut Vec<Token>) {
        let mut at = 0;
        while at < tokens.len() && out.len() < MOST {
            let Token::Word(name) = &tokens[at] else {
                out.push(tokens[at].clone());
                at += 1;
                continue;
            };
            let known = self.get(name).filter(|_| under_way.len() < DEEPEST && !under_way.contains(name));
            let used = known.and_then(|known| match &known.parameters {
                None => Some((known.body.to_vec(), 1)),
                Some(parameters) => {
                    let (arguments, length) = arguments(&tokens[at + 1..])?;
                    let arguments: Vec<Vec<Token>> = arguments.iter().map(|it| it.to_vec()).collect();
                    Some((self.filled(&known.body, parameters, &arguments, under_way), length + 1))
                }
            });
            match used {
                Some((body, length)) => {
                    under_way.push(name.clone());
                    self.expand_into(&body, under_way, out);
                    under_way.pop();
                    at += length;
                }
                None => {
                    out.push(tokens[at].clone());
                    at += 1;
                }
            }
        }
    }

    /// A macro's body with its arguments in place: as they are beside `##`, else expanded first (C11, 6.10.3.1).
    fn filled(
        &self,
        body: &[Token],
        parameters: &[Rc<str>],
        arguments: &[Vec<Token>],
        under_way: &mut Vec<Rc<str>>,
    ) -> Vec<Token> {
        let pasting = |at: Option<usize>| at.and_then(|at| body.get(at)) == Some(&Token::Sign("##"));
        let mut filled: Vec<Token> = Vec::new();
        for (at, token) in body.iter().enumerate() {
            if *token == Token::Sign("##") || filled.len() > MOST {
                continue;
            }
            let parameter = match token {
                Token::Word(word) => parameters.iter().position(|parameter| parameter == word),
                _ => None,
            };
            let beside = pasting(at.checked_sub(1)) || pasting(Some(at + 1));
            let mut given = match parameter {
                Some(number) => {
                    let argument = arguments.get(number).cloned().unwrap_or_default();
                    let mut expanded = Vec::new();
                    match beside {
                        true => argument,
                        false => {
                            self.expand_into(&argument, under_way, &mut expanded);
                            expanded
                        }
                    }
                }
                None => vec![token.clone()],
            };
            if pasting(at.checked_sub(1))
                && !given.is_empty()
                && filled.last().is_some_and(|last| spelled(last).is_some())
            {
                let last = filled.pop().and_then(|last| spelled(&last)).unwrap_or_default();
                if let Some(next) = spelled(&given[0]) {
                    given[0] = Token::Word(Rc::from(format!("{last}{next}")));
                } else {
                    filled.push(Token::Word(Rc::from(last)));
                }
            }
            filled.extend(given);
        }
        filled
    }

    /// The number an expression is: constants, `|`, `&`, `<<`, `>>`, `+`, `-`, `~` and parentheses.
    pub fn number(&self, tokens: &[Token]) -> Option<u64> {
        let tokens = self.expand(tokens);
        let mut reader = Reader { tokens: &tokens, at: 0, depth: 0 };
        let number = reader.or()?;
        (reader.at == tokens.len()).then_some(number)
    }
}

/// How a piece is written, where it can be part of a word.
fn spelled(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.to_string()),
        Token::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The arguments in parentheses, and how many pieces they take with them.
fn arguments(tokens: &[Token]) -> Option<(Vec<&[Token]>, usize)> {
    if tokens.first()? != &Token::Sign("(") {
        return None;
    }
    let (mut depth, mut start, mut found) = (0, 1, Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign("(" | "{" | "[") => depth += 1,
            Token::Sign(")" | "}" | "]") => {
                depth -= 1;
                if depth == 0 {
                    found.push(&tokens[start..at]);
                    return Some((found, at + 1));
                }
            }
            Token::Sign(",") if depth == 1 => {
                found.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn takes(&mut self, sign: &str) -> bool {
        let fits = matches!(self.tokens.get(self.at), Some(Token::Sign(own)) if *own == sign);
        self.at += usize::from(fits);
        fits
    }

    fn or(&mut self) -> Option<u64> {
        let mut number = self.and()?;
        while self.takes("|") {
            number |= self.and()?;
        }
        Some(number)
    }

    fn and(&mut self) -> Option<u64> {
        let mut number = self.shift()?;
        while self.takes("&") {
            number &= self.shift()?;
        }
        Some(number)
    }

    fn shift(&mut self) -> Option<u64> {
        let mut number = self.sum()?;
        loop {
            if self.takes("<<") {
                number = number.checked_shl(u32::try_from(self.sum()?).ok()?)?;
            } else if self.takes(">>") {
                number = number.checked_shr(u32::try_from(self.sum()?).ok()?)?;
            } else {
                return Some(number);
            }
        }
    }

    fn sum(&mut self) -> Option<u64> {
        let mut number = self.one()?;
        loop {
            if self.takes("+") {
                number = number.wrapping_add(self.one()?);
            } else if self.takes("-") {
                number = number.wrapping_sub(self.one()?);
            } else {
                return Some(number);
            }
        }
    }

    fn one(&mut self) -> Option<u64> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let number = if self.takes("~") {
            Some(!self.one()?)
        } else if self.takes("-") {
            Some(self.one()?.wrapping_neg())
        } else if self.takes("(") {
            let inside = self.or()?;
            self.takes(")").then_some(inside)
        } else {
            match self.tokens.get(self.at)? {
                Token::Number(text) => {
                    self.at += 1;
                    token::number(text)
                }
                _ => None,
            }
        };
        self.depth -= 1;
        number
    }
}
