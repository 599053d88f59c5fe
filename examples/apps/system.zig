//! What the system around an app gives: arguments, standard input, clock and random bytes.

const wasi = @import("std").os.wasi;

fn write(text: []const u8) void {
    const part = [1]wasi.ciovec_t{.{ .base = text.ptr, .len = text.len }};
    var written: usize = 0;
    _ = wasi.fd_write(1, &part, 1, &written);
}

fn hexadecimal(bytes: []const u8) void {
    const digits = "0123456789abcdef";
    for (bytes) |byte| write(&[2]u8{ digits[byte >> 4], digits[byte & 15] });
    write("\n");
}

pub fn main() void {
    var count: usize = 0;
    var size: usize = 0;
    _ = wasi.args_sizes_get(&count, &size);
    var table: [8][*:0]u8 = undefined;
    var text: [256]u8 = undefined;
    if (count <= table.len and size <= text.len) {
        _ = wasi.args_get(&table, &text);
        write(text[0..size]);
        write("\n");
    }
    var random: [40]u8 = undefined;
    _ = wasi.random_get(&random, random.len);
    hexadecimal(&random);
    var before: u64 = 0;
    var after: u64 = 0;
    _ = wasi.clock_time_get(.MONOTONIC, 1, &before);
    _ = wasi.clock_time_get(.MONOTONIC, 1, &after);
    write(if (after > before) "time passes\n" else "time stands still\n");
    var buffer: [64]u8 = undefined;
    const room = [1]wasi.iovec_t{.{ .base = &buffer, .len = buffer.len }};
    var used: usize = 0;
    _ = wasi.fd_read(0, &room, 1, &used);
    write(buffer[0..used]);
    wasi.proc_exit(7);
}
