static int failed = 0;
