-- What the two roles may do. The owner of the tables runs this after every migration.
GRANT USAGE ON SCHEMA smooth_operator TO smooth_operator_app, smooth_operator_transfer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA smooth_operator TO smooth_operator_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA smooth_operator TO smooth_operator_app;
GRANT SELECT ON ALL TABLES IN SCHEMA smooth_operator TO smooth_operator_transfer;
REVOKE INSERT, UPDATE, DELETE ON smooth_operator.migrations FROM smooth_operator_app;

-- `export` reads all organisations, under a role of its own that can only read.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'smooth_operator' AND rowsecurity LOOP
        EXECUTE format('DROP POLICY IF EXISTS transfer ON smooth_operator.%I', name);
        EXECUTE format(
            'CREATE POLICY transfer ON smooth_operator.%I FOR SELECT TO smooth_operator_transfer USING (true)', name);
    END LOOP;
END
$$;
