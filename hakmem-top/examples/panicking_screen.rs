//! Takes the terminal and panics: a test looks at what is left of the terminal.

fn main() -> std::io::Result<()> {
    let _screen = hakmem_top::screen::Screen::enter()?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    panic!("on purpose");
}
