//! `allno doctor`
use base::Result;
use crate::arguments::Doctor;
use super::Context;
/// x
pub fn run(_context: &Context, _arguments: &Doctor) -> Result<u8> { Ok(0) }
