//! The library's tests, one program: each of its own would be linked with the whole library again. memory.rs alone stands apart, as
//! it counts what is allocated.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/trees.rs"]
mod trees;

mod damage;
mod edit;
mod exchange;
mod faults;
mod kernel_cases;
mod lint;
mod pack;
mod referees;
mod round_trip;
mod squash;
mod threecpio;
mod tree;
mod unpack;
mod unpack_then_pack;
mod writing;
