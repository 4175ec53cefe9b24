//! `pemdp schema`: the JSON Schemas of the formats.

use crate::arguments::{Schema, SchemaArguments};
use crate::output::{Status, print};

/// Prints a schema.
///
/// # Errors
/// Output that cannot be written.
pub fn run(arguments: &SchemaArguments) -> anyhow::Result<Status> {
    print(&match arguments.of {
        Schema::Problem => pemdp::problem::schema(),
        Schema::Answer => pemdp::oracle::answer_schema(),
    })?;
    Ok(Status::Fine)
}
