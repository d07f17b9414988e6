typedef int mn__placeholder;
