"""The stores on PostgreSQL with PostGIS, for offices with several writers.

Only here is psycopg imported, and only where something is read or written.
"""
