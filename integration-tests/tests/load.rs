//! The load tool, so that it is there when it is needed: against the real process, for a moment.

use anyhow::{Result, ensure};
use clap::Parser;
use integration_tests::wire::{Block, program};
use load::options::Options;

#[test]
fn the_load_tool_finds_that_nothing_is_lost_though_one_leg_gets_junk() -> Result<()> {
    let block = Block::take()?;
    let (carrier, seats) = (block.address(2).to_string(), block.address(4).to_string());
    let (program, first) = (program()?, block.rtp().0.to_string());
    let options = Options::try_parse_from([
        "load",
        "--program",
        &program.display().to_string(),
        "--calls=5",
        "--rate=5",
        "--seconds=3",
        "--record",
        "--junk=1000",
        &format!("--first-port={first}"),
        &format!("--carrier={carrier}"),
        &format!("--seats={seats}"),
    ])?;
    ensure!(load::run::run(&options)?, "something was lost; its table is above");
    Ok(())
}
