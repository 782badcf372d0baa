// error: UnsupportedError 1:1: the module is empty
