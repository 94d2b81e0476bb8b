"""The data scientist's room: how the model is built, searched, trained, evaluated and compared."""
