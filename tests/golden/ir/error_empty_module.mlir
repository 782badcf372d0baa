// Nothing but a comment.

module {
}
// error: UnsupportedError 3:1: the module is empty
