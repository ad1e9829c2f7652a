    if (!failed) printf("ok: %d steps, differences up to %.1e of %.0e\n", STEPS, (double)largest, (double)TOLERANCE);
    return failed;
}
