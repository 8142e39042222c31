"""`opsconsole demo`: a real local Airflow, stand-ins for the far ends, and a console watching."""
