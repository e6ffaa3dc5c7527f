"""Emergency stops: of a programme, a rail, a fund or a person. One officer places one, another lifts it."""
