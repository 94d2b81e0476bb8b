"""The life of a model: trained, compared, promoted, traced, reproduced."""
