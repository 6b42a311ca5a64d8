"""What is kept between runs: state, ledger, register, and in-memory fakes of each."""
