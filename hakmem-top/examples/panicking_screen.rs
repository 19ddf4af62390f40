//! Takes the terminal and panics. A test then checks the state in which the terminal was left.

fn main() -> std::io::Result<()> {
    let _screen = hakmem_top::screen::terminal::TakenTerminal::enter()?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    panic!("on purpose");
}
