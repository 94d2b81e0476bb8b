"""From a source to rows that can be trusted: fresh rows, the contract, partitions, the split."""
