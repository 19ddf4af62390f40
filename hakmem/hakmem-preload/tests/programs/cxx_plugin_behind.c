/* A plugin that is not in C++ itself but needs a library that is. */
int plugin_work(void);

int plugin_work_behind(void) { return plugin_work(); }
