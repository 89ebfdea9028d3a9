//! Conditions and the expressions in them.

use super::{DEEPEST, Parsed, Parser};
use crate::expression::{Comparison, ExpressionId};
use crate::lexer::{Keyword, Token};
use crate::model::SymbolId;
use crate::preprocess::Fatal;

impl Parser<'_> {
    /// `if …`, or nothing.
    pub(super) fn parse_condition(&mut self) -> Parsed<Option<ExpressionId>> {
        match self.take_keyword(Keyword::If)? {
            true => self.parse_expression().map(Some),
            false => Ok(None),
        }
    }

    pub(super) fn parse_expression(&mut self) -> Parsed<ExpressionId> {
        let mut left = self.parse_conjunction()?;
        while self.peek()? == Token::Or {
            self.take()?;
            let right = self.parse_conjunction()?;
            left = self.builder.model.expressions.or(left, right);
        }
        Ok(left)
    }

    pub(super) fn parse_conjunction(&mut self) -> Parsed<ExpressionId> {
        let mut left = self.parse_operand()?;
        while self.peek()? == Token::And {
            self.take()?;
            let right = self.parse_operand()?;
            left = self.builder.model.expressions.and(left, right);
        }
        Ok(left)
    }

    pub(super) fn parse_operand(&mut self) -> Parsed<ExpressionId> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let place = self.builder.model.show_place(self.builder.place);
            return Err(Fatal::new(format!("{place}: memory exhausted\n")).into());
        }
        let parsed = self.parse_operand_inside();
        self.depth -= 1;
        parsed
    }

    pub(super) fn parse_operand_inside(&mut self) -> Parsed<ExpressionId> {
        match self.peek()? {
            Token::Not => {
                self.take()?;
                let inner = self.parse_operand()?;
                Ok(self.builder.model.expressions.not(inner))
            }
            Token::Open => {
                self.take()?;
                let inner = self.parse_expression()?;
                if self.peek()? != Token::Close {
                    return self.refuse("\")\"");
                }
                self.take()?;
                Ok(inner)
            }
            _ => self.parse_comparison(),
        }
    }

    pub(super) fn parse_comparison(&mut self) -> Parsed<ExpressionId> {
        let left = self.parse_symbol()?;
        let sign = match self.peek()? {
            Token::Equal => Comparison::Equal,
            Token::Unequal => Comparison::Unequal,
            Token::Less => Comparison::Less,
            Token::LessOrEqual => Comparison::LessOrEqual,
            Token::Greater => Comparison::Greater,
            Token::GreaterOrEqual => Comparison::GreaterOrEqual,
            _ => return Ok(self.builder.model.expressions.symbol(left)),
        };
        self.take()?;
        let right = self.parse_symbol()?;
        Ok(self.builder.model.expressions.compare(sign, left, right))
    }

    pub(super) fn parse_symbol(&mut self) -> Parsed<SymbolId> {
        match self.peek()? {
            Token::Quoted => {
                let id = self.builder.lookup(&self.lexer.text, true);
                self.take()?;
                Ok(id)
            }
            Token::Word => self.take_name(),
            _ => self.refuse("a symbol, a text in quotes, \"!\" or \"(\""),
        }
    }
}
