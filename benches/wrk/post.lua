-- POST with a body of BENCH_BODY bytes.
wrk.method = "POST"
wrk.body = string.rep("x", tonumber(os.getenv("BENCH_BODY")))
