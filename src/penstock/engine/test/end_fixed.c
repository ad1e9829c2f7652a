    if (!failed) printf("ok: %d steps, the same whole numbers\n", STEPS);
    return failed;
}
